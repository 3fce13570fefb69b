// Queue of eight words; two bits of b: write, read.
module sample #(parameter LOG = 3, parameter WIDTH = 8) (
  input clk, input rst, input [WIDTH-1:0] a_next, input [1:0] b_next, output [WIDTH+1:0] y
);
  reg [WIDTH-1:0] memory [0:(1<<LOG)-1];
  reg [LOG:0] head, tail;
  wire empty = head == tail;
  wire full = head[LOG] != tail[LOG] && head[LOG-1:0] == tail[LOG-1:0];
  always @(posedge clk)
    if (rst) begin
      head <= 0;
      tail <= 0;
    end else begin
      if (b_next[0] && !full) begin
        memory[tail[LOG-1:0]] <= a_next;
        tail <= tail + 1;
      end
      if (b_next[1] && !empty) head <= head + 1;
    end
  assign y = {full, empty, memory[head[LOG-1:0]]};
endmodule

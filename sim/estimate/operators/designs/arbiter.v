// Round robin among eight that ask.
module sample (input clk, input rst, input [7:0] a_next, output reg [7:0] y);
  reg [7:0] asked, last;
  wire [7:0] above = asked & ~(last | (last - 8'd1));
  wire [7:0] from = |above ? above : asked;
  wire [7:0] granted = from & (~from + 8'd1);
  always @(posedge clk)
    if (rst) begin
      asked <= 0; last <= 8'h80; y <= 0;
    end else begin
      asked <= a_next;
      y <= granted;
      if (|granted) last <= granted;
    end
endmodule

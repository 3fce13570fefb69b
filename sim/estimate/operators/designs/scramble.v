// Scrambler of eight bits a cycle by a shift register of 58.
module sample (input clk, input rst, input [7:0] a_next, output reg [7:0] y);
  reg [57:0] state, next;
  reg [7:0] out;
  integer place;
  always @* begin
    next = state;
    for (place = 0; place < 8; place = place + 1) begin
      out[place] = a_next[place] ^ next[38] ^ next[57];
      next = {next[56:0], out[place]};
    end
  end
  always @(posedge clk)
    if (rst) state <= {58{1'b1}};
    else begin
      state <= next;
      y <= out;
    end
endmodule

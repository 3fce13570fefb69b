// Sixteen registers, one written and two read a cycle; b: addresses and enable.
module sample (
  input clk, input rst, input [15:0] a_next, input [12:0] b_next, output reg [31:0] y
);
  reg [15:0] registers [0:15];
  reg [15:0] a;
  reg [12:0] b;
  always @(posedge clk) begin
    a <= a_next;
    b <= rst ? 13'd0 : b_next;
    if (b[12]) registers[b[3:0]] <= a;
    y <= {registers[b[7:4]], registers[b[11:8]]};
  end
endmodule

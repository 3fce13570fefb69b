// Rotation of a word, and a masked field of it.
module sample (
  input clk, input rst, input [31:0] a_next, input [4:0] b_next, input [4:0] c_next,
  output reg [31:0] y
);
  reg [31:0] a;
  reg [4:0] places, length;
  wire [63:0] twice = {a, a};
  wire [31:0] rotated = twice >> places;
  wire [31:0] mask = (32'd1 << length) - 1;
  always @(posedge clk) begin
    a <= rst ? 32'd0 : a_next;
    places <= b_next;
    length <= c_next;
    y <= rotated & mask;
  end
endmodule

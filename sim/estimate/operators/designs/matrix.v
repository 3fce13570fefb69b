// Product of a matrix of two rows and two columns with a vector.
module sample (
  input clk, input rst, input [31:0] a_next, input [15:0] b_next, output reg [33:0] y
);
  reg signed [7:0] m00, m01, m10, m11, v0, v1;
  always @(posedge clk) begin
    {m00, m01, m10, m11} <= rst ? 32'd0 : a_next;
    {v0, v1} <= b_next;
    y[16:0] <= m00 * v0 + m01 * v1;
    y[33:17] <= m10 * v0 + m11 * v1;
  end
endmodule

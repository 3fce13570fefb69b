// Multiply-accumulate, saturating; c clears.
module sample (
  input clk, input rst, input signed [7:0] a_next, input signed [7:0] b_next, input c_next,
  output reg signed [19:0] y
);
  reg signed [7:0] a, b;
  reg clear;
  wire signed [15:0] product = a * b;
  wire signed [20:0] sum = (clear ? 21'sd0 : y) + product;
  always @(posedge clk) begin
    a <= a_next;
    b <= b_next;
    clear <= c_next | rst;
    if (rst) y <= 0;
    else if (sum > 21'sd524287) y <= 20'sd524287;
    else if (sum < -21'sd524288) y <= -20'sd524288;
    else y <= sum[19:0];
  end
endmodule

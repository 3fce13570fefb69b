// A quarter of a sine from a table, unfolded, scaled by b.
module sample (
  input clk, input rst, input [7:0] a_next, input [7:0] b_next, output reg signed [16:0] y
);
  reg [7:0] quarter [0:63];
  integer k, t;
  initial
    for (k = 0; k < 64; k = k + 1) begin
      t = (2 * k + 1) * (255 - 2 * k);
      quarter[k] = 4080 * t / (327680 - 4 * t);  // Bhaskara's 255 sin(pi (2 k + 1) / 256)
    end
  reg [7:0] a, b;
  wire [7:0] value = quarter[a[6] ? ~a[5:0] : a[5:0]];
  wire [15:0] product = value * b;
  always @(posedge clk) begin
    a <= rst ? 8'd0 : a_next;
    b <= b_next;
    y <= a[7] ? -$signed({1'b0, product}) : $signed({1'b0, product});
  end
endmodule

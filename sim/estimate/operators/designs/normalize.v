// A sum to floating point: sign, exponent, rounded significand.
module sample (input clk, input rst, input signed [23:0] a_next, output reg [15:0] y);
  reg signed [23:0] a;
  wire [23:0] magnitude = a < 0 ? -a : a;
  reg [4:0] zeros;
  integer place;
  always @* begin
    zeros = 5'd24;
    for (place = 0; place < 24; place = place + 1)
      if (magnitude[place]) zeros = 23 - place;
  end
  wire [23:0] shifted = magnitude << zeros;
  wire [7:0] rounded = {1'b0, shifted[22:16]} + (shifted[15] & (|shifted[14:0] | shifted[16]));
  wire [7:0] exponent = 8'd150 - zeros + rounded[7];
  always @(posedge clk) begin
    a <= rst ? 24'sd0 : a_next;
    y <= magnitude == 0 ? 16'd0 : {a[23], exponent, rounded[6:0]};
  end
endmodule

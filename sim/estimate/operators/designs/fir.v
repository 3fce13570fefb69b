// Transposed filter of eight taps with constant coefficients.
module sample #(parameter TAPS = 8, parameter WIDTH = 12) (
  input clk, input rst, input signed [WIDTH-1:0] a_next, output signed [2*WIDTH+2:0] y
);
  function signed [WIDTH-1:0] coefficient(input integer tap);
    coefficient = 37 * tap * tap - 251 * tap + 301;
  endfunction
  reg signed [WIDTH-1:0] a;
  reg signed [2*WIDTH+2:0] sums [0:TAPS-1];
  always @(posedge clk) a <= rst ? 0 : a_next;
  genvar tap;
  generate
    for (tap = 0; tap < TAPS; tap = tap + 1) begin : taps
      wire signed [2*WIDTH-1:0] product = a * coefficient(tap);
      if (tap == 0) begin : first
        always @(posedge clk) sums[0] <= rst ? 0 : product;
      end else begin : rest
        always @(posedge clk) sums[tap] <= rst ? 0 : sums[tap-1] + product;
      end
    end
  endgenerate
  assign y = sums[TAPS-1];
endmodule

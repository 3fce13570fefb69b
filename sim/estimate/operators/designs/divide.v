// Restoring division, a bit a cycle; c starts.
module sample #(parameter WIDTH = 16) (
  input clk, input rst, input [WIDTH-1:0] a_next, input [WIDTH-1:0] b_next, input c_next,
  output [2*WIDTH:0] y
);
  reg [WIDTH-1:0] divisor, quotient;
  reg [WIDTH:0] rest;
  reg [4:0] left;
  wire [WIDTH:0] shifted = {rest[WIDTH-1:0], quotient[WIDTH-1]};
  wire [WIDTH+1:0] difference = {1'b0, shifted} - {2'b0, divisor};
  always @(posedge clk)
    if (rst) begin
      left <= 0; rest <= 0; quotient <= 0; divisor <= 0;
    end else if (left == 0) begin
      if (c_next) begin
        divisor <= b_next; quotient <= a_next; rest <= 0; left <= WIDTH;
      end
    end else begin
      rest <= difference[WIDTH+1] ? shifted : difference[WIDTH:0];
      quotient <= {quotient[WIDTH-2:0], ~difference[WIDTH+1]};
      left <= left - 1;
    end
  assign y = {left == 0, rest[WIDTH-1:0], quotient};
endmodule

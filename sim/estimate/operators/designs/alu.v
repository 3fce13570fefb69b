// Arithmetic and logic unit with flags.
module sample (
  input clk, input rst, input [15:0] a_next, input [15:0] b_next, input [2:0] c_next,
  output reg [17:0] y
);
  reg [15:0] a, b, result;
  reg [2:0] op;
  always @* begin
    case (op)
      3'd0: result = a + b;
      3'd1: result = a - b;
      3'd2: result = a & b;
      3'd3: result = a | b;
      3'd4: result = a ^ b;
      3'd5: result = a << b[3:0];
      3'd6: result = $signed(a) >>> b[3:0];
      default: result = {15'd0, $signed(a) < $signed(b)};
    endcase
  end
  always @(posedge clk)
    if (rst) begin
      a <= 0; b <= 0; op <= 0; y <= 0;
    end else begin
      a <= a_next; b <= b_next; op <= c_next;
      y <= {result == 0, result[15], result};
    end
endmodule

// Four decimal digits that count, shown in seven segments.
module sample (input clk, input rst, input [1:0] a_next, output reg [27:0] y);
  function [6:0] segments(input [3:0] digit);
    case (digit)
      4'd0: segments = 7'h3f; 4'd1: segments = 7'h06; 4'd2: segments = 7'h5b;
      4'd3: segments = 7'h4f; 4'd4: segments = 7'h66; 4'd5: segments = 7'h6d;
      4'd6: segments = 7'h7d; 4'd7: segments = 7'h07; 4'd8: segments = 7'h7f;
      4'd9: segments = 7'h6f; default: segments = 7'h40;
    endcase
  endfunction
  reg [15:0] digits;
  reg carry;
  integer place;
  always @(posedge clk)
    if (rst || a_next == 2'd3) digits <= 0;
    else begin
      carry = a_next[0];
      for (place = 0; place < 4; place = place + 1)
        if (carry) begin
          carry = digits[4*place +: 4] == 9;
          digits[4*place +: 4] <= carry ? 4'd0 : digits[4*place +: 4] + 4'd1;
        end
    end
  always @(posedge clk)
    y <= {segments(digits[15:12]), segments(digits[11:8]), segments(digits[7:4]), segments(digits[3:0])};
endmodule

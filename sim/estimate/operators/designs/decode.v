// Immediate, class and branch target of a RISC-V instruction.
module sample (
  input clk, input rst, input [31:0] a_next, input [31:0] b_next, output reg [66:0] y
);
  reg [31:0] word, pc, immediate;
  reg [2:0] kind;
  always @*
    case (word[6:2])
      5'b01101, 5'b00101: begin kind = 3'd1; immediate = {word[31:12], 12'd0}; end
      5'b11011: begin
        kind = 3'd2;
        immediate = {{12{word[31]}}, word[19:12], word[20], word[30:21], 1'b0};
      end
      5'b11000: begin
        kind = 3'd3;
        immediate = {{20{word[31]}}, word[7], word[30:25], word[11:8], 1'b0};
      end
      5'b01000: begin kind = 3'd4; immediate = {{21{word[31]}}, word[30:25], word[11:7]}; end
      5'b01100: begin kind = 3'd5; immediate = 32'd0; end
      default: begin kind = 3'd0; immediate = {{21{word[31]}}, word[30:20]}; end
    endcase
  always @(posedge clk) begin
    word <= rst ? 32'd19 : a_next;
    pc <= b_next;
    y <= {kind, immediate, pc + immediate};
  end
endmodule

// Serial transmitter: start bit, eight data bits, parity, stop bit; b starts.
module sample #(parameter DIVIDER = 13) (
  input clk, input rst, input [7:0] a_next, input b_next, output reg [1:0] y
);
  localparam IDLE = 2'd0, SHIFT = 2'd1, STOP = 2'd2;
  reg [1:0] state;
  reg [9:0] shift;
  reg [3:0] count;
  reg [7:0] prescaler;
  wire tick = prescaler == DIVIDER - 1;
  always @(posedge clk)
    if (rst) begin
      state <= IDLE; shift <= 10'h3ff; count <= 0; prescaler <= 0; y <= 2'b01;
    end else begin
      prescaler <= tick ? 8'd0 : prescaler + 8'd1;
      case (state)
        IDLE: if (b_next) begin
          state <= SHIFT;
          shift <= {^a_next, a_next, 1'b0};
          count <= 0;
          prescaler <= 0;
        end
        SHIFT: if (tick) begin
          shift <= {1'b1, shift[9:1]};
          count <= count + 1;
          if (count == 9) state <= STOP;
        end
        STOP: if (tick) state <= IDLE;
        default: state <= IDLE;
      endcase
      y <= {state != IDLE, state == SHIFT ? shift[0] : 1'b1};
    end
endmodule

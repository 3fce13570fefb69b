// Four pipelined steps of a rotation.
module sample #(parameter STEPS = 4, parameter WIDTH = 16) (
  input clk, input rst, input signed [WIDTH-1:0] a_next, input signed [WIDTH-1:0] b_next,
  input signed [WIDTH-1:0] c_next, output [3*WIDTH-1:0] y
);
  function signed [WIDTH-1:0] angle(input integer step);
    case (step)
      0: angle = 8192; 1: angle = 4836; 2: angle = 2555; default: angle = 1297;
    endcase
  endfunction
  reg signed [WIDTH-1:0] p [0:STEPS], q [0:STEPS], z [0:STEPS];
  always @(posedge clk) begin
    p[0] <= a_next; q[0] <= b_next; z[0] <= rst ? 0 : c_next;
  end
  genvar k;
  generate
    for (k = 0; k < STEPS; k = k + 1) begin : steps
      always @(posedge clk)
        if (z[k] < 0) begin
          p[k+1] <= p[k] + (q[k] >>> k); q[k+1] <= q[k] - (p[k] >>> k); z[k+1] <= z[k] + angle(k);
        end else begin
          p[k+1] <= p[k] - (q[k] >>> k); q[k+1] <= q[k] + (p[k] >>> k); z[k+1] <= z[k] - angle(k);
        end
    end
  endgenerate
  assign y = {p[STEPS], q[STEPS], z[STEPS]};
endmodule

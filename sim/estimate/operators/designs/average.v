// Moving average of sixteen samples and how far the newest is from it.
module sample #(parameter LOG = 4, parameter WIDTH = 10) (
  input clk, input rst, input [WIDTH-1:0] a_next, output reg [2*WIDTH-1:0] y
);
  reg [WIDTH*(1<<LOG)-1:0] line;
  reg [WIDTH+LOG-1:0] sum;
  wire [WIDTH-1:0] oldest = line[WIDTH*(1<<LOG)-1 -: WIDTH];
  wire [WIDTH-1:0] mean = sum >> LOG;
  always @(posedge clk)
    if (rst) begin
      line <= 0; sum <= 0; y <= 0;
    end else begin
      line <= {line, a_next};
      sum <= sum + a_next - oldest;
      y <= {mean, mean > line[WIDTH-1:0] ? mean - line[WIDTH-1:0] : line[WIDTH-1:0] - mean};
    end
endmodule

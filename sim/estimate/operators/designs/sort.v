// Four bytes in order, by a network of five exchanges.
module exchange #(parameter WIDTH = 8) (
  input [WIDTH-1:0] p, input [WIDTH-1:0] q, output [WIDTH-1:0] low, output [WIDTH-1:0] high
);
  wire swap = p > q;
  assign low = swap ? q : p;
  assign high = swap ? p : q;
endmodule
module sample (input clk, input rst, input [31:0] a_next, output reg [31:0] y);
  reg [31:0] a;
  wire [7:0] l0, h0, l1, h1, l2, h2, l3, h3, l4, h4;
  exchange e0 (.p(a[7:0]), .q(a[15:8]), .low(l0), .high(h0));
  exchange e1 (.p(a[23:16]), .q(a[31:24]), .low(l1), .high(h1));
  exchange e2 (.p(l0), .q(l1), .low(l2), .high(h2));
  exchange e3 (.p(h0), .q(h1), .low(l3), .high(h3));
  exchange e4 (.p(h2), .q(l3), .low(l4), .high(h4));
  always @(posedge clk) begin
    a <= rst ? 32'd0 : a_next;
    y <= {h3, h4, l4, l2};
  end
endmodule

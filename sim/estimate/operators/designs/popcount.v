// Ones in a word and place of the highest.
module sample (input clk, input rst, input [31:0] a_next, output reg [11:0] y);
  reg [31:0] a;
  reg [5:0] ones, highest;
  integer place;
  always @* begin
    ones = 0;
    highest = 0;
    for (place = 0; place < 32; place = place + 1) begin
      ones = ones + a[place];
      if (a[place]) highest = place + 1;
    end
  end
  always @(posedge clk) begin
    a <= rst ? 32'd0 : a_next;
    y <= {highest, ones};
  end
endmodule

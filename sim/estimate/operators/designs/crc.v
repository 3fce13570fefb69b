// CRC-32 of a byte a cycle.
module sample (input clk, input rst, input [7:0] a_next, output reg [31:0] y);
  function [31:0] step(input [31:0] crc, input [7:0] data);
    integer place;
    begin
      step = crc ^ {24'd0, data};
      for (place = 0; place < 8; place = place + 1)
        step = step[0] ? (step >> 1) ^ 32'hEDB88320 : step >> 1;
    end
  endfunction
  always @(posedge clk) y <= rst ? 32'hFFFFFFFF : step(y, a_next);
endmodule

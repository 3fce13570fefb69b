// ConSmax, exp(score - beta) / gamma, as somebody else built it: two tables of 16 bf16 numbers and
// a multiplier, one result per cycle, three cycles later. Nothing waits: there is no ready.
//
// Macros FAULT_... plant one mistake each; tests/test_own_design.py sees that each is found.
module consmax_lut #(
    parameter OUT_BITS = 7 // of a result: a fraction without integer bits
) (
    input clk_i,
    input rst_ni,
    // table load: entries 0-15 are the low nibble's, 16-31 the high nibble's from -8 to 7
    input tw_i,
    input [4:0] ta_i,
    input [14:0] td_i, // bf16 without its sign
    input en_i,
    input signed [7:0] x_i,
    input skip_i, // the result is 0
    output vld_o,
    output reg [OUT_BITS-1:0] y_o,
    output reg sat_o,
    output reg zero_o
);
  reg [14:0] low_table[0:15];
  reg [14:0] high_table[0:15];
  always @(posedge clk_i)
    if (tw_i) begin
`ifdef FAULT_TABLE
      low_table[ta_i[3:0]] <= td_i;
      if (ta_i[4]) high_table[ta_i[3:0]] <= td_i;
`else
      if (ta_i[4]) high_table[ta_i[3:0]] <= td_i;
      else low_table[ta_i[3:0]] <= td_i;
`endif
    end

  // Cycle 1: the entries of both nibbles
  reg [14:0] low, high;
  reg skip1;
  always @(posedge clk_i) begin
    low <= low_table[x_i[3:0]];
`ifdef FAULT_NIBBLE
    high <= high_table[x_i[7:4]];
`else
    high <= high_table[{~x_i[7], x_i[6:4]}]; // -8 is entry 0
`endif
    skip1 <= skip_i;
  end

  // Cycle 2: their product, rounded to nearest even
`ifdef FAULT_PRODUCT
  wire [14:0] product = {1'b1, low[6:0]} * {1'b1, high[6:0]};
  wire carry = 0;
`else
  wire [15:0] product = {1'b1, low[6:0]} * {1'b1, high[6:0]};
  wire carry = product[15];
`endif
  wire [14:0] aligned = carry ? product[14:0] : {product[13:0], 1'b0};
  wire up = aligned[7] & (aligned[8] | aligned[6:0] != 0);
  wire [7:0] rounded = {1'b0, aligned[14:8]} + up; // 128: the next power of two
`ifdef FAULT_EXPONENT
  wire [7:0] sum = low[14:7] + high[14:7] + carry + rounded[7] - 8'd127;
  wire signed [9:0] exponent = {2'b0, sum};
`else
  wire signed [9:0] exponent = low[14:7] + high[14:7] + carry + rounded[7] - 10'd127;
`endif
  wire none = low[14:7] == 0 | high[14:7] == 0 | exponent < 1;
  reg [7:0] significand;
  reg signed [9:0] e;
  reg none2, skip2;
  always @(posedge clk_i) begin
    significand <= {1'b1, rounded[6:0]};
    e <= exponent;
    none2 <= none;
    skip2 <= skip1;
  end

  // Cycle 3: the fraction, half a step rounded up, limited
  wire [9:0] right = 10'd134 - OUT_BITS - e; // places to shift to the right
  wire [15:0] half = 16'd1 << (right - 10'd1);
  wire [15:0] shifted = right > 10'd9 ? 16'd0 : ({8'd0, significand} + half) >> right;
  wire beyond = e > 10'sd126;
`ifdef FAULT_ROUNDING
  wire over = beyond;
`else
  wire over = beyond | shifted >= 1 << OUT_BITS;
`endif
`ifdef FAULT_SATURATION
  wire [15:0] fraction = beyond ? {8'd0, significand} : shifted;
`else
  wire [15:0] fraction = over ? {16{1'b1}} : shifted;
`endif
  always @(posedge clk_i) begin
`ifdef FAULT_MASK
    y_o <= none2 ? 0 : fraction[OUT_BITS-1:0];
    sat_o <= ~none2 & over;
    zero_o <= none2 | (~over & shifted == 0);
`else
    y_o <= skip2 | none2 ? 0 : fraction[OUT_BITS-1:0];
    sat_o <= ~skip2 & ~none2 & over;
    zero_o <= ~skip2 & (none2 | (~over & shifted == 0));
`endif
  end

  reg [2:0] flight;
  always @(posedge clk_i or negedge rst_ni)
    if (!rst_ni) flight <= 0;
`ifdef FAULT_VALID
    else flight <= {flight[1] & en_i, flight[0], en_i}; // lost where no other beat follows
`else
    else flight <= {flight[1:0], en_i};
`endif
  assign vld_o = flight[2];
endmodule

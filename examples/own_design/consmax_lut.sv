// The unit of consmax_lut.v in SystemVerilog, with a package and structures.
package consmax_pkg;
  typedef struct packed {
    logic [7:0] exponent;
    logic [6:0] mantissa;
  } bf16_t;  // never negative

  typedef struct packed {
    logic high;         // table of the high nibble
    logic [3:0] index;
  } entry_t;

  function automatic logic [7:0] significand_of(bf16_t number);
    return {1'b1, number.mantissa};
  endfunction
endpackage

module consmax_lut
  import consmax_pkg::*;
#(
    parameter int unsigned OUT_BITS = 7
) (
    input logic clk_i,
    input logic rst_ni,
    input logic tw_i,
    input entry_t ta_i,
    input bf16_t td_i,
    input logic en_i,
    input logic signed [7:0] x_i,
    input logic skip_i,
    output logic vld_o,
    output logic [OUT_BITS-1:0] y_o,
    output logic sat_o,
    output logic zero_o
);
  bf16_t tables[2][16];
  always_ff @(posedge clk_i)
    if (tw_i) begin
      tables[ta_i.high][ta_i.index] <= td_i;
`ifdef FAULT_TABLE
      tables[0][ta_i.index] <= td_i;
`endif
    end

  bf16_t low, high;
  logic [2:1] skip;
  always_ff @(posedge clk_i) begin
    low <= tables[0][x_i[3:0]];
`ifdef FAULT_NIBBLE
    high <= tables[1][x_i[7:4]];
`else
    high <= tables[1][x_i[7:4] ^ 4'h8];
`endif
    skip <= {skip[1], skip_i};
  end

  logic carry, up, none, none_q, beyond, over;
  logic [14:0] aligned;
  logic [7:0] rounded, significand;
  logic signed [9:0] exponent, exponent_q;
`ifdef FAULT_PRODUCT
  logic [14:0] product;
  assign carry = 1'b0;
`else
  logic [15:0] product;
  assign carry = product[15];
`endif
  always_comb begin
    product = significand_of(low) * significand_of(high);
    aligned = carry ? product[14:0] : {product[13:0], 1'b0};
    up = aligned[7] & (aligned[8] | (|aligned[6:0]));
    rounded = 8'(aligned[14:8]) + 8'(up);
    exponent = 10'(low.exponent) + 10'(high.exponent) + 10'(carry) + 10'(rounded[7]) - 10'd127;
`ifdef FAULT_EXPONENT
    exponent = {2'b0, exponent[7:0]};
`endif
    none = low.exponent == '0 || high.exponent == '0 || exponent < 1;
  end
  always_ff @(posedge clk_i) begin
    significand <= {1'b1, rounded[6:0]};
    exponent_q <= exponent;
    none_q <= none;
  end

  logic [9:0] right;
  logic [15:0] shifted, fraction;
  always_comb begin
    right = 10'(134 - OUT_BITS) - exponent_q;
    shifted = right > 9 ? '0 : (16'(significand) + (16'd1 << (right - 10'd1))) >> right;
    beyond = exponent_q > 126;
    over = beyond || shifted >= 16'(1 << OUT_BITS);
`ifdef FAULT_ROUNDING
    over = beyond;
`endif
    fraction = over ? '1 : shifted;
`ifdef FAULT_SATURATION
    fraction = beyond ? 16'(significand) : shifted;
`endif
  end
  logic zeroed;
`ifdef FAULT_MASK
  assign zeroed = 1'b0;
`else
  assign zeroed = skip[2];
`endif
  always_ff @(posedge clk_i) begin
    y_o <= zeroed || none_q ? '0 : fraction[OUT_BITS-1:0];
    sat_o <= !zeroed && !none_q && over;
    zero_o <= !zeroed && (none_q || (!over && shifted == '0));
  end

  logic [2:0] flight;
  always_ff @(posedge clk_i or negedge rst_ni)
    if (!rst_ni) flight <= '0;
`ifdef FAULT_VALID
    else flight <= {flight[1] & en_i, flight[0], en_i};
`else
    else flight <= {flight[1:0], en_i};
`endif
  assign vld_o = flight[2];
endmodule

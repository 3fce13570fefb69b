// Bench of one unit, the same for every simulator and every stimulus.
//
// Replays stimulus.bin into `DUT, compares what comes out with expected.bin and writes result.txt
// (key=value lines, "end=1" last). The macros DUT, I_WIDTH, O_WIDTH, CFG_WIDTH (absent: no cfg
// port), PAYLOAD_BITS and EXPECTED_BITS are prepended to this file; all else is a plusarg, so that
// a build serves every stimulus, seed and stall probability.
//
// Free of races by construction: inputs change right after the rising edge (nonblocking), and all
// outputs are sampled at the falling edge, settled, as the next rising edge will see them. Clocks
// that the unit derives by gating are therefore safe.

`timescale 1ns / 1ps

module consilico_bench;
  localparam [7:0] DATA = 0, CONFIG = 1, RESET = 2, FINISH = 3;
  localparam RESET_CYCLES = 4;  // at the start
  localparam TAIL_CYCLES = 64;  // watched after the last result for one too many
  localparam PHASE = 6;  // log2 of the cycles for which a stall level is kept
  localparam MESSAGES = 8;  // mismatches and violations written out; the rest is only counted

  reg clk = 0;
  reg rst = 1;
  reg i_valid = 0;
  reg o_ready = 0;
  reg cfg_valid = 0;
  reg [`I_WIDTH-1:0] i_payload = 0;
  wire i_ready;
  wire o_valid;
  wire [`O_WIDTH-1:0] o_payload;
  wire cfg_ready;
`ifdef CFG_WIDTH
  reg [`CFG_WIDTH-1:0] cfg_payload = 0;
`else
  assign cfg_ready = 0;
`endif

  `DUT dut (
    .clk(clk),
    .rst(rst),
`ifdef CFG_WIDTH
    .cfg__payload(cfg_payload),
    .cfg__valid(cfg_valid),
    .cfg__ready(cfg_ready),
`endif
    .i__payload(i_payload),
    .i__valid(i_valid),
    .i__ready(i_ready),
    .o__payload(o_payload),
    .o__valid(o_valid),
    .o__ready(o_ready)
  );

  always #2 clk = ~clk;

  // Parameters of a run. Stall levels are probabilities of a stall in a cycle, in 256ths.
  reg [31:0] seed, stall_i, stall_o, hang_cycles, stop_at_mismatch, dump_from, dump_to;
  integer stimulus_file, expected_file, result_file;

  initial begin
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    if (!$value$plusargs("stall_i=%d", stall_i)) stall_i = 0;
    if (!$value$plusargs("stall_o=%d", stall_o)) stall_o = 0;
    if (!$value$plusargs("hang_cycles=%d", hang_cycles)) hang_cycles = 10000;
    if (!$value$plusargs("stop_at_mismatch=%d", stop_at_mismatch)) stop_at_mismatch = 0;
    if (!$value$plusargs("dump_from=%d", dump_from)) dump_from = 0;
    if (!$value$plusargs("dump_to=%d", dump_to)) dump_to = 0;
    stimulus_file = $fopen("stimulus.bin", "rb");
    expected_file = $fopen("expected.bin", "rb");
    result_file = $fopen("result.txt", "w");
    random = (seed * 32'h9e3779b9) ^ 32'h5bd1e995;
    if (random == 0) random = 1;
  end

  // ------------------------------------------------------------------------------- driver
  reg [31:0] random = 1;  // xorshift32: the same stalls in every simulator
  reg [31:0] level_i, level_o;
  reg [PHASE-1:0] phase = 0;
  reg [7:0] start = 0;
  reg [8+16+`PAYLOAD_BITS-1:0] record;  // kind, results it completes, payload
  reg [31:0] items = 0;  // handed over so far
  reg fetched = 0, offered = 0, finished = 0;
  reg fire_i = 0, fire_cfg = 0;  // set at the falling edge: will happen at this rising edge
  integer got;

  function [31:0] xorshift(input [31:0] x);
    reg [31:0] y;
    begin
      y = x ^ (x << 13);
      y = y ^ (y >> 17);
      xorshift = y ^ (y << 5);
    end
  endfunction

  // A third of the phases run freely, a third at the level asked for, a third nearly blocked:
  // independent coin tosses alone would hardly ever fill or drain a deep pipeline.
  function [31:0] level(input [31:0] asked, input [7:0] toss);
    level = asked == 0 || toss < 85 ? 0 : toss < 170 ? asked : 240;
  endfunction

  always @(posedge clk) begin
    random = xorshift(random);
    if (phase == 0) begin
      level_i = level(stall_i, random[31:24]);
      level_o = level(stall_o, random[23:16]);
    end
    phase = phase + 1;
    o_ready <= !finished && random[7:0] >= level_o;
    if (start != RESET_CYCLES) begin
      start = start + 1;
      rst <= start != RESET_CYCLES;
    end else begin
      if (offered && (fire_i || fire_cfg || rst)) begin
        offered = 0;
        fetched = 0;
        items = items + 1;
        i_valid <= 0;
        cfg_valid <= 0;
        rst <= 0;
        // A unit must not look at a payload that is not valid; at full speed it is held instead,
        // which is what a real source does and what switching activity should see.
        if (stall_i != 0) i_payload <= ~i_payload;
      end
      if (!fetched) begin
        got = $fread(record, stimulus_file);
        fetched = 1;
        if (got != 3 + `PAYLOAD_BITS / 8) stop("stimulus.bin ends early");
      end
      if (!offered && record[16+`PAYLOAD_BITS+:8] != FINISH) begin
        if (random[15:8] >= level_i) begin
          offered = 1;
          case (record[16+`PAYLOAD_BITS+:8])
            DATA: begin
              i_valid <= 1;
              i_payload <= record[`I_WIDTH-1:0];
            end
`ifdef CFG_WIDTH
            CONFIG: begin
              cfg_valid <= 1;
              cfg_payload <= record[`CFG_WIDTH-1:0];
            end
`endif
            RESET: rst <= 1;
            default: stop("stimulus.bin holds an item of a kind that the unit has no port for");
          endcase
        end else gap_cycles = gap_cycles + 1;
      end
    end
  end

  // ------------------------------------------------------- monitor, protocol checks, scoreboard
  reg [63:0] cycles = 0, gap_cycles = 0, i_stall_cycles = 0, o_stall_cycles = 0;
  reg [63:0] accepted = 0;  // results that the items taken by the unit complete
  reg [63:0] next = 0;  // index of the result that is due
  reg [63:0] rows = 0;  // of expected.bin read
  reg [63:0] checked = 0, mismatches = 0, dropped = 0, violations = 0;
  reg [63:0] config_in_flight = 0, reset_in_flight = 0;
  reg [63:0] first_accepted = 0, latency = 0;
  reg timing = 0, timed = 0;
  reg held = 0;
  reg [`O_WIDTH-1:0] held_payload;
  reg [`EXPECTED_BITS-1:0] expected;
  reg [31:0] idle = 0, tail = 0;
  reg dumping = 0, dumped = 0;
  reg [63:0] dump_cycles = 0;
  integer read;

  always @(negedge clk) if (start == RESET_CYCLES && !finished) begin
    cycles = cycles + 1;
    idle = idle + 1;
    fire_i = 0;
    fire_cfg = 0;
    if (dump_to != 0) begin
      if (dumping) dump_cycles = dump_cycles + 1;
      if (!dumping && !dumped && items >= dump_from) begin
        $dumpfile("activity.vcd");
        $dumpvars(0, dut);
        dumping = 1;
      end else if (dumping && items >= dump_to) begin
        $dumpoff;
        dumping = 0;
        dumped = 1;
      end
    end
    if (rst) begin
      idle = 0;
      if (next != accepted) reset_in_flight = reset_in_flight + 1;
      dropped = dropped + accepted - next;
      next = accepted;
      held = 0;
      if (!timed) timing = 0;
    end else begin
      if (i_ready !== 0 && i_ready !== 1) violation("i__ready is unknown");
      if (o_valid !== 0 && o_valid !== 1) violation("o__valid is unknown");
      if (held && o_valid !== 1) violation("o__valid dropped before o__ready");
      else if (held && o_payload !== held_payload) violation("o__payload changed before o__ready");
      held = o_valid === 1 && !o_ready;
      held_payload = o_payload;
      fire_i = i_valid && i_ready === 1;
      fire_cfg = cfg_valid && cfg_ready === 1;
      if (i_valid && !fire_i) i_stall_cycles = i_stall_cycles + 1;
      if (held) o_stall_cycles = o_stall_cycles + 1;
      if (fire_cfg) begin
        idle = 0;
        if (next != accepted) config_in_flight = config_in_flight + 1;
      end
      if (fire_i) begin
        idle = 0;
        accepted = accepted + record[`PAYLOAD_BITS+:16];
        if (record[`PAYLOAD_BITS+:16] != 0) begin
          if (!timing) first_accepted = cycles;
          timing = 1;
        end
      end
      if (o_valid === 1 && o_ready) begin
        if (next == accepted) violation("a result without an accepted input");
        else begin
          idle = 0;  // only an expected result is progress
          compare;
        end
      end
    end
    if (fetched && record[16+`PAYLOAD_BITS+:8] == FINISH && next == accepted) begin
      tail = tail + 1;
      if (tail == TAIL_CYCLES) stop("");
    end else if (idle >= hang_cycles) begin
      if (i_valid) stop("hang: i__ready stays low");
      else if (cfg_valid) stop("hang: cfg__ready stays low");
      else stop("hang: no result comes");
    end
  end

  task compare;
    begin
      read = `EXPECTED_BITS / 8;
      while (rows <= next && read == `EXPECTED_BITS / 8) begin  // skips what a reset dropped
        read = $fread(expected, expected_file);
        rows = rows + 1;
      end
      if (read != `EXPECTED_BITS / 8) stop("expected.bin ends early");
      if (!timed) latency = cycles - first_accepted;
      timed = 1;
      checked = checked + 1;
      if (o_payload !== expected[`O_WIDTH-1:0]) begin
        mismatches = mismatches + 1;
        if (mismatches <= MESSAGES)
          $fdisplay(result_file, "mismatch=%0d %h %h", next, o_payload, expected[`O_WIDTH-1:0]);
        if (stop_at_mismatch != 0) stop("");
      end
      next = next + 1;
    end
  endtask

  task violation(input [8*48-1:0] text);
    begin
      violations = violations + 1;
      if (violations <= MESSAGES)
        $fdisplay(result_file, "violation=cycle %0d, result %0d: %0s", cycles, next, text);
      if (stop_at_mismatch != 0) stop("");
    end
  endtask

  task stop(input [8*80-1:0] problem);
    if (!finished) begin
      finished = 1;
      if (problem != 0)
        $fdisplay(result_file, "stopped=%0s (cycle %0d, item %0d, result %0d)",
                  problem, cycles, items, next);
      $fdisplay(result_file, "cycles=%0d", cycles);
      $fdisplay(result_file, "checked=%0d", checked);
      $fdisplay(result_file, "mismatches=%0d", mismatches);
      $fdisplay(result_file, "dropped=%0d", dropped);
      $fdisplay(result_file, "violations=%0d", violations);
      $fdisplay(result_file, "gap_cycles=%0d", gap_cycles);
      $fdisplay(result_file, "i_stall_cycles=%0d", i_stall_cycles);
      $fdisplay(result_file, "o_stall_cycles=%0d", o_stall_cycles);
      $fdisplay(result_file, "config_in_flight=%0d", config_in_flight);
      $fdisplay(result_file, "reset_in_flight=%0d", reset_in_flight);
      $fdisplay(result_file, "dump_cycles=%0d", dump_cycles);
      if (timed) $fdisplay(result_file, "latency=%0d", latency);
      $fdisplay(result_file, "end=1");
      $fclose(result_file);
      $finish;
    end
  endtask
endmodule

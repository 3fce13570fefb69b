// Bench of one unit, the same for every simulator and every stimulus.
//
// Three sources drive the unit at the same time: data.bin on `i`, config.bin on `cfg` and resets.bin
// on `rst`. Each record says how far the other sources must have come before it is offered, so that
// one bench replays a stimulus in a fixed order (every record waits for all before it) as well as
// streams that run free of each other. consumer.bin says when `o` is ready. A fixed order is judged
// here, by expected.bin, and may end at the first mismatch; with +log=1 the bench writes down what
// happened instead (events.bin, results.bin), for whoever computes what was due from the order in
// which the unit accepted things. Counts go to result.txt (key=value lines, "end=1" last).
//
// The macros DUT, I_WIDTH, O_WIDTH, CFG_WIDTH (absent: no cfg port), PAYLOAD_BITS, EXPECTED_BITS and
// RESULT_BITS are prepended to this file; all else is a plusarg, so that a build serves every
// stimulus.
//
// Free of races by construction: inputs change right after the rising edge (nonblocking), and all
// outputs are sampled at the falling edge, settled, as the next rising edge will see them. Clocks
// that the unit derives by gating are therefore safe.
//
// I_READY and CFG_READY, if they are there, are expressions that say when these streams must be ready.
//
// A unit with delays needs HIGH and LOW (phases of the clock in ns) and LATER (`#` and the ns after
// the rising edge at which inputs change), too: its outputs are sampled in the last picosecond
// before the next rising edge.

`timescale 1ns / 1ps

module consilico_bench;
  localparam DATA = 0, CONFIG = 1, RESET = 2, SOURCES = 3;
  localparam AFTER_VALID = 1, PULSE = 2;  // ways of the consumer
  localparam RESET_CYCLES = 4;  // at the start
  localparam PATIENCE = 100;  // cycles that a record waits for the unit to be full
  localparam SHOWN = 8;  // cycles that a configuration is then offered before a result is taken
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

`ifdef LATER
`define SETTLED posedge settled
  reg settled = 0;
  always begin
    #(`LOW - 0.001) settled = 1;
    #0.001 settled = 0;
    clk = 1;
    #`HIGH clk = 0;
  end
`else
`define LATER
`define SETTLED negedge clk
  always #2 clk = ~clk;
`endif

  // Settings of a run.
  reg [31:0] scramble, log, hang_cycles, tail_cycles, rest_cycles, most_cycles;
  reg [31:0] stop_at_mismatch, consumer_loop, dump_from, dump_to, dump_levels;
  integer file[0:SOURCES-1];
  integer expected_file, result_file, events_file, results_file, consumer_file;

  initial begin
    if (!$value$plusargs("scramble=%d", scramble)) scramble = 0;
    if (!$value$plusargs("log=%d", log)) log = 0;
    if (!$value$plusargs("hang_cycles=%d", hang_cycles)) hang_cycles = 10000;
    if (!$value$plusargs("tail_cycles=%d", tail_cycles)) tail_cycles = 64;
    if (!$value$plusargs("rest_cycles=%d", rest_cycles)) rest_cycles = 512;
    if (!$value$plusargs("most_cycles=%d", most_cycles)) most_cycles = 32'hffffffff;
    if (!$value$plusargs("stop_at_mismatch=%d", stop_at_mismatch)) stop_at_mismatch = 0;
    if (!$value$plusargs("consumer_loop=%d", consumer_loop)) consumer_loop = 0;
    if (!$value$plusargs("dump_from=%d", dump_from)) dump_from = 0;
    if (!$value$plusargs("dump_to=%d", dump_to)) dump_to = 0;
    if (!$value$plusargs("dump_levels=%d", dump_levels)) dump_levels = 0;
    file[DATA] = $fopen("data.bin", "rb");
    file[CONFIG] = $fopen("config.bin", "rb");
    file[RESET] = $fopen("resets.bin", "rb");
    result_file = $fopen("result.txt", "w");
    if (log != 0) begin
      events_file = $fopen("events.bin", "wb");
      results_file = $fopen("results.bin", "wb");
    end else expected_file = $fopen("expected.bin", "rb");
    consumer_file = $fopen("consumer.bin", "rb");
    ways = $fread(consumer, consumer_file) / 4;
    way = consumer[0];
    ready_in = way[15:0];
  end

  // ------------------------------------------------------------------------------ sources
  // A record, from the highest bits: data and configurations that must have passed before it,
  // resets likewise, cycles to wait then, 16 bits of its own, payload. The 16 bits are the results
  // that data completes, or the length of a reset. Bit 0 of a reset or a configuration says whether
  // it is pressed: no result is taken until the unit is full and has seen it.
  // A reset drops what was to come before it and has not been accepted, as one of a whole system
  // does.
  localparam RECORD = 32 + 32 + 16 + 16 + 16 + `PAYLOAD_BITS;
  reg [RECORD-1:0] record[0:SOURCES-1];
  reg [RECORD-1:0] fresh;
  reg [31:0] passed[0:SOURCES-1];  // accepted or dropped; resets: begun
  reg [15:0] gap[0:SOURCES-1];
  reg [SOURCES-1:0] fetched = 0, offered = 0, ended = 0, due;
  reg [7:0] start = 0;
  reg [7:0] reset_left = 0;  // cycles
  reg [31:0] patience = PATIENCE, shown = 0;
  reg [SOURCES-1:0] fills = 0;  // waits for the unit to be full, and no result is taken
  reg full = 0;  // a result waits, and the unit takes no data
  reg finished = 0;
  reg held = 0;  // a result is offered and not taken
  reg fire_i = 0, fire_cfg = 0, fire_o = 0;  // set once outputs settled: will happen
  wire [31:0] items = passed[DATA] + passed[CONFIG] + passed[RESET] - (reset_left != 0);
  integer got, s;

  initial for (s = 0; s < SOURCES; s = s + 1) passed[s] = 0;

  // Fetch the next record of each source, without those that a reset has dropped.
  task fetch;
    for (s = 0; s < SOURCES; s = s + 1)
      while (!ended[s] && (!fetched[s]
             || (s != RESET && record[s][32+`PAYLOAD_BITS+:16] < passed[RESET][15:0]))) begin
        if (fetched[s]) passed[s] = passed[s] + 1;  // dropped
        got = $fread(fresh, file[s]);
        fetched[s] = got != 0;
        ended[s] = got == 0;
        if (got != 0 && got != RECORD / 8) stop("a file of the stimulus ends early");
        record[s] = fresh;
        gap[s] = fresh[16+`PAYLOAD_BITS+:16];
      end
  endtask

  always @(posedge clk) begin
    if (start != RESET_CYCLES) begin
      start = start + 1;
      rst <= `LATER start != RESET_CYCLES;
    end
    if (start == RESET_CYCLES) begin
      for (s = 0; s < RESET; s = s + 1)
        if (s == DATA ? fire_i : fire_cfg) begin
          passed[s] = passed[s] + 1;
          fetched[s] = 0;
          offered[s] = 0;
        end
      if (reset_left != 0) reset_left = reset_left - 1;
      fetch;
      for (s = 0; s < SOURCES; s = s + 1)
        due[s] = fetched[s] && !offered[s] && reset_left == 0
            && passed[DATA] >= record[s][80+`PAYLOAD_BITS+:32]
            && passed[CONFIG] >= record[s][48+`PAYLOAD_BITS+:32]
            && passed[RESET] >= record[s][32+`PAYLOAD_BITS+:16];
      if (rst) due[RESET] = 0;  // two resets in a row would be seen as one
      for (s = CONFIG; s < SOURCES; s = s + 1)
        fills[s] = due[s] && gap[s] == 0 && record[s][`PAYLOAD_BITS] && !full && patience != 0;
      patience = fills != 0 ? patience - 1 : PATIENCE;
      if (shown != 0) shown = offered[CONFIG] ? shown - 1 : 0;
      if (due[RESET]) begin
        if (gap[RESET] != 0) gap[RESET] = gap[RESET] - 1;
        else if (!fills[RESET]) begin
          shown = record[RESET][`PAYLOAD_BITS];
          reset_left = record[RESET][8+`PAYLOAD_BITS+:8];
          passed[RESET] = passed[RESET] + 1;
          fetched[RESET] = 0;
          offered = 0;
          fills = 0;
          fetch;
        end
      end
      rst <= `LATER reset_left != 0;
      if (!offered[DATA]) begin
        i_valid <= `LATER 0;
        // A unit must not look at a payload that is not valid; at full speed it is held instead,
        // which is what a real source does and what switching activity should see.
        if (scramble != 0) i_payload <= `LATER ~i_payload;
        if (due[DATA] && reset_left == 0) begin
          if (gap[DATA] != 0) begin
            gap[DATA] = gap[DATA] - 1;
            gap_cycles = gap_cycles + 1;
          end else begin
            offered[DATA] = 1;
            i_valid <= `LATER 1;
            i_payload <= `LATER record[DATA][`I_WIDTH-1:0];
          end
        end
      end
      if (!offered[CONFIG]) begin
        cfg_valid <= `LATER 0;
`ifdef CFG_WIDTH
        if (scramble != 0) cfg_payload <= `LATER ~cfg_payload;
        if (due[CONFIG] && reset_left == 0) begin
          if (gap[CONFIG] != 0) begin
            gap[CONFIG] = gap[CONFIG] - 1;
            gap_cycles = gap_cycles + 1;
          end else if (!fills[CONFIG]) begin
            offered[CONFIG] = 1;
            if (record[CONFIG][`PAYLOAD_BITS]) shown = SHOWN;
            cfg_valid <= `LATER 1;
            cfg_payload <= `LATER record[CONFIG][`CFG_WIDTH-1:0];
          end
        end
`else
        if (fetched[CONFIG]) stop("the stimulus configures a unit that has no cfg port");
`endif
      end
    end
    consume;
  end

  // ------------------------------------------------------------------------------ consumer
  // One entry per result: its way in the highest byte, and cycles in the lowest two. Ready rises so
  // many cycles after the last result was taken; with AFTER_VALID after the next one was seen; with
  // PULSE it falls after one cycle, whether it was of use or not.
  reg [31:0] consumer[0:4095];
  reg [31:0] way = 0;
  reg [15:0] ready_in = 0;
  integer ways, at = 0;

  task consume;
    begin
      if (fire_o || (way[31:24] == PULSE && o_ready)) begin
        at = at + 1 == ways ? consumer_loop : at + 1;
        way = consumer[at];
        ready_in = way[15:0];
      end
      // a stall that a reset cuts is not over: the next result waits for all of it
      if (rst && way[31:24] == AFTER_VALID) ready_in = way[15:0];
      if (way[31:24] == AFTER_VALID && !held) o_ready <= `LATER 0;
      else if (ready_in != 0) begin
        ready_in = ready_in - 1;
        o_ready <= `LATER 0;
      end else o_ready <= `LATER !finished && fills == 0 && shown == 0;
    end
  endtask

  // ------------------------------------------------------- monitor, protocol checks, scoreboard
  reg [63:0] cycles = 0, gap_cycles = 0, i_stall_cycles = 0, o_stall_cycles = 0;
  reg [63:0] accepted = 0;  // results that the items taken by the unit complete
  reg [63:0] next = 0;  // index of the result that is due
  reg [63:0] rows = 0;  // of expected.bin read
  reg [63:0] checked = 0, mismatches = 0, dropped = 0, violations = 0;
  reg [63:0] config_in_flight = 0, reset_in_flight = 0, reset_under_back_pressure = 0;
  reg [63:0] config_with_data = 0, config_back_to_back = 0, config_after_reset = 0;
  reg [63:0] config_when_full = 0;
  reg [63:0] ready_after_valid = 0, stall = 0, longest_stall = 0, slept = 0, longest_sleep = 0;
  reg [63:0] first_accepted = 0, latency = 0;
  reg timing = 0, timed = 0, was_reset = 1, cfg_fired = 0, unknown;
  reg [`O_WIDTH-1:0] held_payload;
  reg [`EXPECTED_BITS-1:0] expected;
  reg [`RESULT_BITS-1:0] result;
  reg [31:0] idle = 0, tail = 0;
  reg dumping = 0, dumped = 0;
  reg [63:0] dump_cycles = 0;
  wire running = start == RESET_CYCLES;  // seen by the clock gates, which count from here on
  // likewise: none may tick. A unit may begin to work on an offer before it takes it.
  reg [31:0] unoffered = 0;  // cycles since the last new offer
  reg i_offered = 0, cfg_offered = 0;
  wire resting = idle > rest_cycles && unoffered > rest_cycles;
  // for I_READY and CFG_READY
  wire waits = o_valid === 1 && !o_ready;
  reg entered = 0;  // the last cycle in which o did not wait took a beat
  integer read;

  always @(`SETTLED) if (start == RESET_CYCLES && !finished) begin
    cycles = cycles + 1;
    idle = idle + 1;
    unoffered = (i_valid && !i_offered) || (cfg_valid && !cfg_offered) ? 0 : unoffered + 1;
    i_offered = i_valid;
    cfg_offered = cfg_valid;
    cfg_fired = fire_cfg;
    fire_i = 0;
    fire_cfg = 0;
    fire_o = 0;
    if (dump_to != 0) begin
      if (dumping) dump_cycles = dump_cycles + 1;
      if (!dumping && !dumped && items >= dump_from) begin
        $dumpfile("activity.vcd");
        $dumpvars(dump_levels, dut);
        dumping = 1;
      end else if (dumping && items >= dump_to) begin
        $dumpoff;
        dumping = 0;
        dumped = 1;
      end
    end
    if (rst) begin
      idle = 0;
      // an asynchronous reset has taken valid back already: it was held a cycle ago
      if (!was_reset && (held || o_valid === 1) && !o_ready)
        reset_under_back_pressure = reset_under_back_pressure + 1;
      if (log != 0 && !was_reset) $fwrite(events_file, "%u", {cycles[31:0], 32'd1});
      if (next != accepted) reset_in_flight = reset_in_flight + 1;
      dropped = dropped + accepted - next;
      next = accepted;
      held = 0;
      full = 0;
      entered = 0;
      slept = 0;
      was_reset = 1;
      if (!timed) timing = 0;
    end else begin
      if (i_ready !== 0 && i_ready !== 1) violation("i__ready is unknown");
      if (o_valid !== 0 && o_valid !== 1) violation("o__valid is unknown");
`ifdef CFG_WIDTH
      if (cfg_ready !== 0 && cfg_ready !== 1) violation("cfg__ready is unknown");
`endif
      if (held && o_valid !== 1) violation("o__valid dropped before o__ready");
      else if (held && o_payload !== held_payload) violation("o__payload changed before o__ready");
      if (o_valid === 1 && o_ready && held && way[31:24] == AFTER_VALID)
        ready_after_valid = ready_after_valid + 1;
`ifdef I_READY
      if (i_valid && i_ready === 0 && `I_READY) violation("i__ready is 0 for no reason");
`endif
`ifdef CFG_READY
      if (cfg_valid && cfg_ready === 0 && `CFG_READY) violation("cfg__ready is 0 for no reason");
`endif
      held = waits;
      full = waits && i_ready === 0;
      held_payload = o_payload;
      fire_i = i_valid && i_ready === 1;
      fire_cfg = cfg_valid && cfg_ready === 1;
      fire_o = o_valid === 1 && o_ready;
      if (!waits) entered = fire_i;
      if (i_valid && !fire_i) i_stall_cycles = i_stall_cycles + 1;
      if (held) o_stall_cycles = o_stall_cycles + 1;
      stall = held ? stall + 1 : 0;
      if (stall > longest_stall) longest_stall = stall;
      if (i_valid && slept > longest_sleep) longest_sleep = slept;
      // a configuration may be offered all the while, to a unit in the middle of a job
      slept = i_valid || fire_cfg || o_valid === 1 ? 0 : slept + 1;
      if (cfg_valid && i_valid) config_with_data = config_with_data + 1;
      if (cfg_valid && cfg_fired) config_back_to_back = config_back_to_back + 1;
      if (cfg_valid && full) config_when_full = config_when_full + 1;
      if (cfg_valid && was_reset) config_after_reset = config_after_reset + 1;
      was_reset = 0;
      if (fire_cfg) begin
        idle = 0;
        if (next != accepted) config_in_flight = config_in_flight + 1;
      end
      if (fire_i) begin
        idle = 0;
        accepted = accepted + record[DATA][`PAYLOAD_BITS+:16];
        if (record[DATA][`PAYLOAD_BITS+:16] != 0) begin
          if (!timing) first_accepted = cycles;
          timing = 1;
        end
      end
      if (log != 0) write_down;
      else if (fire_o) begin
        if (next == accepted) violation("a result without an accepted input");
        else begin
          idle = 0;  // only an expected result is progress
          compare;
        end
      end
    end
    if (&ended && fetched == 0 && (log != 0 ? o_valid !== 1 : next == accepted)) begin
      tail = tail + 1;
      if (tail >= tail_cycles) stop("");
    end else begin
      tail = 0;
      if (idle >= hang_cycles) begin
        if (i_valid) stop("hang: i__ready stays low");
        else if (cfg_valid) stop("hang: cfg__ready stays low");
        else stop("hang: no result comes");
      end else if (cycles >= most_cycles) stop("does not come to rest");
    end
  end

  task write_down;
    begin
      unknown = fire_o && ^o_payload === 1'bx;
      if (fire_i || fire_cfg || fire_o)
        $fwrite(events_file, "%u", {cycles[31:0], 27'd0, unknown, fire_o, fire_cfg, fire_i, 1'b0});
      if (fire_o) begin
        idle = 0;
        result = o_payload;
        $fwrite(results_file, "%u", result);
        if (unknown) begin
          violation("o__payload is unknown");
          if (violations <= MESSAGES) $fdisplay(result_file, "unknown=%h", o_payload);
        end
      end
    end
  endtask

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
      $fdisplay(result_file, "reset_under_back_pressure=%0d", reset_under_back_pressure);
      $fdisplay(result_file, "config_with_data=%0d", config_with_data);
      $fdisplay(result_file, "config_back_to_back=%0d", config_back_to_back);
      $fdisplay(result_file, "config_when_full=%0d", config_when_full);
      $fdisplay(result_file, "config_after_reset=%0d", config_after_reset);
      $fdisplay(result_file, "ready_after_valid=%0d", ready_after_valid);
      $fdisplay(result_file, "longest_stall=%0d", longest_stall);
      $fdisplay(result_file, "longest_sleep=%0d", longest_sleep);
      $fdisplay(result_file, "dump_cycles=%0d", dump_cycles);
      if (timed) $fdisplay(result_file, "latency=%0d", latency);
      $fdisplay(result_file, "end=1");
      $fclose(result_file);
      if (log != 0) begin
        $fclose(events_file);
        $fclose(results_file);
      end
      $finish;
    end
  endtask
endmodule

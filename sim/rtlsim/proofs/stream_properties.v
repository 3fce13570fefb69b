// What every unit with streams i, o and cfg promises, stated once for all of them.
//
// Each bit of `violated` is 1 in a cycle in which a promise is broken; all signals are sampled
// settled, before the rising edge of clk. A promise holds from the first reset on, whatever the
// unit's registers held before it. Assumed of the neighbours: a producer keeps valid and payload
// until ready. Nothing is assumed of a consumer.
//
// `completes` says how many beats on o the beat on i completes; `position` is the place of that beat
// in its group. After a beat that `closes`, no result depends on beats before it; a unit that holds no
// result, and nothing that is not closed, is closed. Of results nothing is promised for what is not
// `lawful`.

module consilico_stream_properties #(
  parameter O_WIDTH = 1,
  parameter LATENCY = 1,  // cycles from the handshake on i to that on o; 0: in the same cycle
  parameter LATE = 1,  // longest time in cycles in which no result comes though one is due
  parameter WAIT = 1,  // longest time in cycles in which nothing moves though nobody outside blocks
  parameter COUNT = 8,  // bits that count results which are due; more than that are never due
  parameter GROUP = 1,  // beats of a group
  parameter PLACE = 1,  // bits of `position`
  parameter TIME = 8  // bits that count up to LATE and WAIT
) (
  input clk,
  input rst,
  input i_valid,
  input i_ready,
  input i_tag,  // marks one beat
  input [COUNT-1:0] completes,
  input closes,
  input lawful,
  output [PLACE-1:0] position,
  input cfg_valid,
  input cfg_ready,
  input cfg_tag,  // marks one beat of configuration
  input o_valid,
  input o_ready,
  input [O_WIDTH-1:0] o_payload,
  input o_tag,  // o_payload may depend on what is marked
  input [1:0] marks,  // what is: 0 a beat, 1 a beat of configuration, 2 a payload that is not valid
  output [COUNT-1:0] results_due,
  output [TIME-1:0] overdue_cycles,  // for which no result came though one is due
  output [TIME-1:0] stuck_cycles,  // for which nothing moved though something is offered
  output after_reset,  // there was a reset
  output lawful_so_far,
  output [8:0] violated,
  output quiet  // nothing moves and nothing was offered anew for longer than WAIT
);
  reg started = 0;  // there was a reset
  always @(posedge clk) if (rst) started <= 1;
  assign after_reset = started;
  wire on = started && !rst;
  wire take = i_valid && i_ready;
  wire give = o_valid && o_ready;
  wire configure = cfg_valid && cfg_ready;
  wire blocked = o_valid && !o_ready;

  // An offer stands until it is taken.
  reg held = 0;
  reg [O_WIDTH-1:0] held_payload;
  always @(posedge clk) begin
    held <= on && blocked;
    held_payload <= o_payload;
  end
  assign violated[0] = on && held && !o_valid;
  assign violated[1] = on && held && o_valid && o_payload != held_payload;

  // Results are those of beats that were accepted: none before, none too many, none missing.
  reg taken = 0;
  reg [COUNT-1:0] due = 0;
  reg [PLACE-1:0] place = 0;
  reg part = 0;  // a beat was accepted after the last one that closed
  assign position = place;
  assign results_due = due;
  wire [COUNT-1:0] completed = take ? completes : {COUNT{1'b0}};
  wire [COUNT-1:0] coming = (LATENCY == 0) && i_valid ? completes : {COUNT{1'b0}};
  wire [COUNT:0] next_due = due + completed - give;
  always @(posedge clk)
    if (rst) begin
      taken <= 0;
      due <= 0;
      place <= 0;
      part <= 0;
    end else begin
      if (take) taken <= 1;
      due <= next_due;
      if (take) part <= !closes;
      if (take) place <= place == GROUP - 1 ? {PLACE{1'b0}} : place + 1'b1;
    end
  assign violated[2] = on && o_valid && !taken && !((LATENCY == 0) && i_valid);
  reg sane = 1;
  always @(posedge clk) sane <= rst || (sane && lawful);
  assign lawful_so_far = sane;
  wire stated = on && sane && lawful;
  assign violated[3] = stated && o_valid && due == 0 && coming == 0;

  // A result that is due comes in time, even if the consumer waits for valid. Whoever offers
  // something is served in time, whatever the order of valid and ready; cfg may wait for the rest
  // of a sum that has begun.
  reg [TIME-1:0] late = 0;
  reg [TIME-1:0] stuck = 0;
  wire closed = due == 0 && !part;
  wire offers = (i_valid && !i_ready) || (cfg_valid && !cfg_ready && (i_valid || closed));
  always @(posedge clk) begin
    late <= !on || due == 0 || o_valid ? 0 : late + 1;
    stuck <= !on || take || give || configure || blocked || !offers ? 0 : stuck + 1;
  end
  assign overdue_cycles = late;
  assign stuck_cycles = stuck;
  assign violated[4] = stated && (next_due[COUNT] || (due != 0 && !o_valid && late + 1 >= LATE));
  assign violated[5] = stated && stuck == WAIT && offers && !take && !configure && !blocked && !give;

  // A marked beat shows in the results that it takes part in, and in no other: nothing is
  // reordered or doubled, and nothing is left of what was accepted before a reset.
  reg marked = 0;  // the marked beat was accepted
  reg ends = 0;  // so was the beat that closes
  reg [COUNT-1:0] ahead = 0;  // results of earlier beats that are still due
  reg [COUNT-1:0] own = 0;  // results that it takes part in, still due
  wire joins = i_tag || (marked && !ends);
  always @(posedge clk)
    if (rst) begin
      marked <= 0;
      ends <= 0;
      ahead <= 0;
      own <= 0;
    end else begin
      if (take && i_tag) begin
        marked <= 1;
        ahead <= due - give;
      end else if (give && ahead != 0) ahead <= ahead - 1;
      if (take && joins && closes) ends <= 1;
      own <= own + (take && joins ? completes - ((LATENCY == 0) && give && due == 0) : 0)
        - (give && ahead == 0 && own != 0);
    end
  wire mine = (marked && ahead == 0 && own != 0) || ((LATENCY == 0) && i_valid && i_tag && due == 0);
  assign violated[6] = stated && marks == 0 && o_valid && o_tag && !mine;

  // A configuration shows in no result of a beat that was accepted before it. A reset may keep it.
  reg configured = 0;
  reg [COUNT-1:0] earlier = 0;  // results of beats accepted before the marked configuration
  always @(posedge clk)
    if (configure && cfg_tag) begin
      configured <= 1;
      earlier <= rst ? 0 : due - give;
    end else if (rst) earlier <= 0;
    else if (give && earlier != 0) earlier <= earlier - 1;
  assign violated[7] = stated && marks == 1 && o_valid && o_tag && !(configured && earlier == 0);

  // What lies on a payload that is not valid does not matter.
  assign violated[8] = on && marks == 2 && o_valid && o_tag;

  // The unit may begin to work on an offer before it takes it.
  reg [TIME-1:0] still = 0;
  reg i_offered = 0, cfg_offered = 0;
  wire fresh_offer = (i_valid && !i_offered) || (cfg_valid && !cfg_offered);
  wire moves = !on || take || give || configure || fresh_offer;
  always @(posedge clk) begin
    i_offered <= i_valid && !i_ready;
    cfg_offered <= cfg_valid && !cfg_ready;
    still <= moves ? 0 : still > WAIT ? still : still + 1;
  end
  assign quiet = !moves && still >= WAIT;
endmodule

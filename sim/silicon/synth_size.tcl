# Gate sizing and buffering on the true critical paths, one move at a time. Needs `area`, `larger`
# and `smaller` (arrays by cell), `buffer` (cell, input, output), `period` (in time units), `grain`
# (area that counts as nothing) and `moves` (how many at most).
#
# Prints "SWAP instance cell" and "BUFFER instance cell net pin...", in order, then "SLACK value".

constrain $period
set enough [expr {-1e-6 * $period}]

proc sinks {net} {
  set found {}
  foreach pin [get_pins -of_objects $net] {
    if {[get_property $pin direction] eq "input"} { lappend found $pin }
  }
  return $found
}

proc try_swap {instance cell} { replace_cell $instance [get_lib_cells */$cell] }

proc isolate {name net pins} {
  lassign $::buffer cell input output
  make_instance $name [get_lib_cells */$cell]
  make_net ${name}_z
  connect_pin $net $name/$input
  connect_pin [get_nets ${name}_z] $name/$output
  foreach pin $pins {
    disconnect_pin $net $pin
    connect_pin [get_nets ${name}_z] $pin
  }
}

proc rejoin {name net pins} {
  lassign $::buffer cell input output
  set made [get_nets ${name}_z]
  foreach pin $pins {
    disconnect_pin $made $pin
    connect_pin $net $pin
  }
  disconnect_pin $net $name/$input
  disconnect_pin $made $name/$output
  delete_instance $name
  delete_net ${name}_z
}

# The move on one path that gains most total slack for its area: {kind instance new cost} or {}.
proc best_move {path serial} {
  global area larger buffer grain
  set base [total_negative_slack]
  set best 0
  set move {}
  set pins {}
  foreach point [get_property $path points] { lappend pins [get_property $point pin] }
  set index 0
  foreach pin $pins {
    incr index
    if {[get_property $pin direction] ne "output"} continue
    set instance [get_cells -of_objects $pin]
    set cell [get_property $instance ref_name]
    set name [get_property $instance full_name]
    foreach other $larger($cell) {
      try_swap $instance $other
      set gain [expr {([total_negative_slack] - $base) / ($area($other) - $area($cell) + $grain)}]
      if {$gain > $best} { set best $gain; set move [list swap $name $other] }
    }
    if {[llength $larger($cell)]} { try_swap $instance $cell }
    set next [lindex $pins $index]
    set net [get_nets -of_objects $pin]
    set others {}
    foreach sink [sinks $net] {
      if {$sink ne $next} { lappend others [get_property $sink full_name] }
    }
    if {[llength $others] >= 2 && $index < [llength $pins]} {
      isolate sized$serial $net $others
      set gain [expr {([total_negative_slack] - $base) / ($area([lindex $buffer 0]) + $grain)}]
      if {$gain > $best} {
        set best $gain
        set move [list buffer sized$serial [get_property $net full_name] $others]
      }
      rejoin sized$serial $net $others
    }
  }
  return $move
}

set serial 0
set stuck 0
while {$serial < $moves && [total_negative_slack] < $enough && !$stuck} {
  set stuck 1
  set touched {}
  foreach path [find_timing_paths -path_delay max -group_count 8] {
    if {[get_property $path slack] >= 0} break
    set names {}
    foreach point [get_property $path points] {
      lappend names [get_property [get_cells -quiet -of_objects [get_property $point pin]] full_name]
    }
    set fresh 1
    foreach name $names { if {$name ne "" && [dict exists $touched $name]} { set fresh 0; break } }
    if {!$fresh} continue
    foreach name $names { dict set touched $name 1 }
    set move [best_move $path $serial]
    if {[lindex $move 0] eq "swap"} {
      lassign $move kind name cell
      try_swap [get_cells $name] $cell
      puts "SWAP $name $cell"
    } elseif {[lindex $move 0] eq "buffer"} {
      lassign $move kind name net pins
      isolate $name [get_nets $net] $pins
      puts "BUFFER $name [lindex $buffer 0] $net $pins"
    } else continue
    incr serial
    set stuck 0
  }
}

# Give area back where it buys nothing.
set floor [expr {min(0, [worst_slack]) - 1e-6 * $period}]
set total [expr {[total_negative_slack] - 1e-6 * $period}]
foreach instance [get_cells *] {
  set cell [get_property $instance ref_name]
  foreach other $smaller($cell) {
    try_swap $instance $other
    if {[worst_slack] >= $floor && [total_negative_slack] >= $total} {
      puts "SWAP [get_property $instance full_name] $other"
      break
    }
    try_swap $instance $cell
  }
}
puts "SLACK [expr {[worst_slack] / $unit}]"

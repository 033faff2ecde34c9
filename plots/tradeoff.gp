# The trade-off: how soon a frame is done against what CPU that takes.
#
#   gnuplot -d -c tradeoff.gp TERMINAL OUTPUT DATA POINTS LAYOUT YLABEL COLOURS TICKS XLABEL
#
# DATA, tab-separated, index 0, one row per cell: CPU, time in ns, low and high CPU, low and high
# time, colour (decimal RGB), 1 on the frontier, where the name stands (x, y, "left" or "right"
# aligned), where a line to it ends (the point itself when there is none), the name. Index 1: the
# frontier's corners. CPU is stretched, asinh(% / 2); TICKS holds places and names in turn.
# POINTS and COLOURS are not used here. LAYOUT holds four numbers: the ends of both axes. The margins leave the 474 by 330 pixels that
# harness/report/plot_tradeoff.c counts with when it places the names.
ink = "#1b2733"
grid = "#d8dee4"
if (ARG1 eq "svg") {
    set terminal svg size 560,400 dynamic noenhanced font "Helvetica,13" background rgb "#ffffff"
} else {
    set terminal pngcairo size 1120,800 noenhanced fontscale 1.6 linewidth 2 \
        font "sans,11" background rgb "#ffffff"
}
set encoding utf8
set output ARG2
set datafile separator "\t"
set lmargin at screen 74.0 / 560
set rmargin at screen 548.0 / 560
set tmargin at screen 1.0 - 14.0 / 400
set bmargin at screen 56.0 / 400
set border 3 linecolor rgb ink linewidth 0.8
set tics nomirror scale 0.5 textcolor rgb ink
set grid xtics ytics linetype 1 linecolor rgb grid linewidth 0.7 dashtype solid
unset key
radius = (word(ARG5, 2) - word(ARG5, 1)) * 4.8 / 474
set xrange [word(ARG5, 1) + 0.0:word(ARG5, 2) + 0.0]
ymin = word(ARG5, 3) + 0.0
ymax = word(ARG5, 4) + 0.0
set logscale y
set yrange [ymin:ymax]
set xtics ("" 1e9)
do for [i = 1:words(ARG8) / 2] {
    named = word(ARG8, 2 * i)
    at = word(ARG8, 2 * i - 1) + 0.0
    set xtics add (named at)
}
unit(v) = v < 999.5 ? sprintf("%g ns", v) : v < 999.5e3 ? sprintf("%g µs", v / 1e3) : \
    v < 999.5e6 ? sprintf("%g ms", v / 1e6) : sprintf("%g s", v / 1e9)
set ytics ("" 1e30)
steps = ymax / ymin < 6 ? "1 1.5 2 3 4 5 7" : ymax / ymin < 300 ? "1 2 5" : "1"
do for [e = 0:13] {
    do for [m in steps] {
        at = (m + 0) * 10.0 ** e
        named = unit(at)
        set ytics add (named at)
    }
}
set xlabel ARG9 textcolor rgb ink offset 0,0.4
# Not a ylabel: where numbers are long, the svg terminal would leave it out.
set label ARG6 at screen 9.0 / 560, graph 0.5 center rotate by 90 textcolor rgb ink
is(v) = strcol(11) eq v ? strcol(14) : ""
plot ARG3 index 1 using 1:2 with lines linetype 1 dashtype (6, 4) linecolor rgb ink linewidth 1, \
     ARG3 index 0 using 3:2:($4 - $3):(0):7 with vectors nohead linecolor rgb variable \
         linewidth 1.6, \
     ARG3 index 0 using 1:5:(0):($6 - $5):7 with vectors nohead linecolor rgb variable \
         linewidth 1.6, \
     ARG3 index 0 using 1:2:($12 - $1):($13 - $2) with vectors nohead linetype 1 dashtype solid \
         linecolor rgb ink linewidth 0.6, \
     ARG3 index 0 using 1:($8 == 1 ? $2 : NaN):(radius):7 with circles fillstyle solid 1.0 noborder \
         linecolor rgb variable, \
     ARG3 index 0 using 1:($8 == 1 ? NaN : $2):(radius):7 with circles fillstyle empty border \
         linewidth 1.8 linecolor rgb variable, \
     ARG3 index 0 using 9:10:(is("left")) with labels left textcolor rgb ink, \
     ARG3 index 0 using 9:10:(is("right")) with labels right textcolor rgb ink

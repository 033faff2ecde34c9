# Throughput by the size of a frame: frames per second above, payload bytes per second below.
#
#   gnuplot -d -c sizes.gp TERMINAL OUTPUT DATA LINES LAYOUT XLABEL COLOURS TICKS
#
# DATA has one gnuplot index per line: a heading (the line's name in its second column), then bytes,
# frames per second with low and high, 10^9 bytes per second with low and high, tab-separated.
# LAYOUT holds five numbers: the ends of the sizes, of frames per second, and the end of bytes per
# second. COLOURS: one decimal RGB number per line. TICKS holds places and names in turn, with _ for
# a space.
ink = "#1b2733"
grid = "#d8dee4"
lines = ARG4 + 0
height = 440 + 17 * ((lines - 1) / 2)
if (ARG1 eq "svg") {
    set terminal svg size 560,height dynamic noenhanced font "Helvetica,13" background rgb "#ffffff"
} else {
    set terminal pngcairo size 1120,2 * height noenhanced fontscale 1.6 linewidth 2 \
        font "sans,11" background rgb "#ffffff"
}
set encoding utf8
set output ARG2
set datafile separator "\t"
set border 3 linecolor rgb ink linewidth 0.8
set tics nomirror scale 0.5 textcolor rgb ink
set grid xtics ytics linetype 1 linecolor rgb grid linewidth 0.7 dashtype solid
set lmargin at screen 74.0 / 560
set rmargin at screen 548.0 / 560
colour(i) = int(word(ARG7, i + 1))
# The legend stands above, two names to a line. It is read before there are logarithmic axes, with
# which older gnuplots cannot.
key_height = 12.0 + 17 * ((lines + 1) / 2)
do for [i = 0:lines - 1] {
    at_x = (74.0 + 240 * (i % 2)) / 560
    at_y = 1.0 - (12.0 + 17 * (i / 2)) / height
    set object i + 1 rectangle center screen at_x + 0.016, screen at_y \
        size screen 0.026, screen 9.0 / height \
        fillcolor rgb colour(i) fillstyle solid 1.0 noborder
    stats ARG3 index i every ::0::0 using (name = strcol(2), 0) nooutput
    set label i + 1 name at screen at_x + 0.04, screen at_y left textcolor rgb ink
}
unset key
set logscale x
# Lines stand a little apart, so that intervals at one size do not cover each other.
apart(i) = (word(ARG5, 2) / word(ARG5, 1)) ** (0.008 * (i - (lines - 1) / 2.0))
set xrange [word(ARG5, 1) + 0.0:word(ARG5, 2) + 0.0]
set linetype 1 dashtype solid
set linetype 2 dashtype (14, 5)
set linetype 3 dashtype (4, 4)
set linetype 4 dashtype (14, 4, 3, 4)
set linetype 5 dashtype (8, 3)
set linetype 6 dashtype (2, 3)
set linetype 7 dashtype (18, 3, 3, 3, 3, 3)
spaced(s) = strstrt(s, "_") ? s[1:strstrt(s, "_") - 1]." ".s[strstrt(s, "_") + 1:*] : s
number(v) = v < 1e3 ? sprintf("%g", v) : v < 1e6 ? sprintf("%gk", v / 1e3) : sprintf("%gM", v / 1e6)
inside = (height - key_height - 56 - 22) / height # of both drawings together
split = 56.0 / height + inside * 0.46

set multiplot
set tmargin at screen 1.0 - (key_height + 4) / height
set bmargin at screen split + 22.0 / height
set xtics ("" 1e18)
do for [i = 1:words(ARG8) / 2] {
    at = word(ARG8, 2 * i - 1) + 0.0
    set xtics add ("" at)
}
set logscale y
ymin = word(ARG5, 3) + 0.0
ymax = word(ARG5, 4) + 0.0
set yrange [ymin:ymax]
steps = ymax / ymin < 6 ? "1 1.5 2 3 4 5 7" : ymax / ymin < 300 ? "1 2 5" : "1"
set ytics ("" 1e30)
do for [e = -2:9] {
    do for [m in steps] {
        at = (m + 0) * 10.0 ** e
        named = number(at)
        set ytics add (named at)
    }
}
set label 100 "frames/s" at screen 14.0 / 560, graph 0.5 center rotate by 90 textcolor rgb ink
plot for [i = 0:lines - 1] ARG3 index i every ::1 using ($1 * apart(i)):2 with lines \
         linetype ((i + i / 7) % 7 + 1) linecolor rgb colour(i) linewidth 1.8, \
     for [i = 0:lines - 1] ARG3 index i every ::1 using ($1 * apart(i)):3:(0):($4 - $3) with vectors nohead \
         linetype 1 linecolor rgb colour(i) linewidth 1.6
unset object
do for [i = 1:lines] { unset label i }

set tmargin at screen split
set bmargin at screen 56.0 / height
unset logscale y
set yrange [0:word(ARG5, 5) + 0.0]
set ytics auto
set format y "%g"
set xtics ("" 1e18)
do for [i = 1:words(ARG8) / 2] {
    named = spaced(word(ARG8, 2 * i))
    at = word(ARG8, 2 * i - 1) + 0.0
    set xtics add (named at)
}
set xlabel ARG6 textcolor rgb ink offset 0,0.4
set label 100 "GB/s" at screen 14.0 / 560, graph 0.5 center rotate by 90 textcolor rgb ink
plot for [i = 0:lines - 1] ARG3 index i every ::1 using ($1 * apart(i)):5 with lines \
         linetype ((i + i / 7) % 7 + 1) linecolor rgb colour(i) linewidth 1.8, \
     for [i = 0:lines - 1] ARG3 index i every ::1 using ($1 * apart(i)):6:(0):($7 - $6) with vectors nohead \
         linetype 1 linecolor rgb colour(i) linewidth 1.6
unset multiplot

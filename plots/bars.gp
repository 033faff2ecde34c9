# Bars of one figure with its interval, and beside them what it costs in CPU.
#
#   gnuplot -d -c bars.gp TERMINAL OUTPUT DATA HEADINGS LAYOUT XLABEL
#
# DATA, tab-separated: row, value, low, high, CPU %, colour (decimal RGB), name, value as text, CPU
# as text. HEADINGS: row, text above a group of bars. Rows count down from -1.
# LAYOUT holds five numbers: height in pixels, the share of the width that names need, the lowest
# row, the end of the axis, and the end of the CPU axis.
ink = "#1b2733"
grid = "#d8dee4"
height = int(word(ARG5, 1))
if (ARG1 eq "svg") {
    set terminal svg size 560,height dynamic noenhanced font "Helvetica,13" background rgb "#ffffff"
} else {
    set terminal pngcairo size 1120,2 * height noenhanced fontscale 1.6 linewidth 2 \
        font "sans,11" background rgb "#ffffff"
}
set encoding utf8
set output ARG2
set datafile separator "\t"
set border 1 linecolor rgb ink linewidth 0.8
set tics nomirror scale 0.5 textcolor rgb ink
set grid xtics linetype 1 linecolor rgb grid linewidth 0.7 dashtype solid
set ytics scale 0
unset key
left = word(ARG5, 2) + 0.0
split = left + (0.985 - left) * 0.64
set yrange [word(ARG5, 3) + 0.0:0]
set tmargin at screen 1.0 - 8.0 / height
set bmargin at screen 54.0 / height

set multiplot
set lmargin at screen left
set rmargin at screen split
set xrange [0:word(ARG5, 4) + 0.0]
# At most five numbers on an axis, at 1, 2 or 5 times a power of ten.
power(v) = 10.0 ** floor(log10(v))
step(v) = v / power(v) <= 1 ? power(v) : v / power(v) <= 2 ? 2 * power(v) : \
    v / power(v) <= 5 ? 5 * power(v) : 10 * power(v)
set xtics step((word(ARG5, 4) + 0.0) / 4.5) format "%g"
set xlabel ARG6 textcolor rgb ink offset 0,0.6
plot ARG3 using 2:1:(0):2:($1 - 0.36):($1 + 0.36):6:yticlabels(7) with boxxyerror \
         fillstyle solid 1.0 noborder linecolor rgb variable, \
     ARG3 using 3:1:($4 - $3):(0) with vectors heads size screen 0.006,90 fixed \
         linecolor rgb ink linewidth 1.2, \
     ARG3 using (column(4) > column(2) ? column(4) : column(2)):1:8 with labels left \
         offset character 0.9,0 textcolor rgb ink, \
     ARG4 using (0):1:2 with labels left offset character 0.2,-0.1 textcolor rgb ink

set lmargin at screen split + 0.03
set rmargin at screen 0.985
set xrange [0:word(ARG5, 5) + 0.0]
set ytics format ""
set xtics step((word(ARG5, 5) + 0.0) / 2.5)
set xlabel "CPU, % of one" textcolor rgb ink offset 0,0.6
plot ARG3 using 5:1:(0):5:($1 - 0.36):($1 + 0.36):6:yticlabels("") with boxxyerror \
         fillstyle solid 0.45 noborder linecolor rgb variable, \
     ARG3 using 5:1:9 with labels left offset character 0.9,0 textcolor rgb ink
unset multiplot

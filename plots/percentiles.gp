# Percentile curves: time against quantile, one curve per compared value.
#
#   gnuplot -d -c percentiles.gp TERMINAL OUTPUT DATA CURVES LAYOUT YLABEL COLOURS
#
# DATA has one gnuplot index per curve: a heading (the curve's name in its second column), then
# x = 1/(1-q), time, smallest and largest launch. A curve ends where its samples do, at 1 - 1/n; its
# band where some launch has too few frames to tell. LAYOUT holds three numbers: the ends of the
# times, and the end of x. COLOURS: one decimal RGB number per curve, separated by spaces.
# Everything comes in as arguments and data; nothing is pasted into this text.
ink = "#1b2733"
grid = "#d8dee4"
curves = ARG4 + 0
height = 390 + (curves > 6 ? 17 * ((curves - 5) / 2) : 0) # a long legend takes nothing from it
if (ARG1 eq "svg") {
    set terminal svg size 560,height dynamic noenhanced font "Helvetica,13" background rgb "#ffffff"
} else {
    set terminal pngcairo size 1120,2 * height noenhanced fontscale 1.6 linewidth 2 \
        font "sans,11" background rgb "#ffffff"
}
set encoding utf8
set output ARG2
set datafile separator "\t"
set key autotitle columnheader
set key outside top left horizontal reverse Left samplen 2.4 width 1 textcolor rgb ink

set border 3 linecolor rgb ink linewidth 0.8
set tics nomirror scale 0.5 textcolor rgb ink
set grid xtics ytics linetype 1 linecolor rgb grid linewidth 0.7 dashtype solid
set logscale xy
set xrange [1:word(ARG5, 3) + 0.0]
set xtics ("50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000, \
    "99.999 %%" 100000, "99.9999 %%" 1000000)
set xlabel "share of frames at most this long" textcolor rgb ink
set ylabel ARG6 textcolor rgb ink

ymin = word(ARG5, 1) + 0.0
ymax = word(ARG5, 2) + 0.0
set yrange [ymin:ymax]
unit(v) = v < 999.5 ? sprintf("%g ns", v) : v < 999.5e3 ? sprintf("%g µs", v / 1e3) : \
    v < 999.5e6 ? sprintf("%g ms", v / 1e6) : sprintf("%g s", v / 1e9)
set ytics ("1 ns" 1)
steps = ymax / ymin < 6 ? "1 1.5 2 3 4 5 7" : ymax / ymin < 200 ? "1 2 5" : "1"
do for [e = 0:13] {
    do for [m in steps] {
        at = (m + 0) * 10.0 ** e
        named = unit(at)
        set ytics add (named at)
    }
}

colour(i) = int(word(ARG7, i + 1))
# Dashes as well, for paper and for eyes that tell few colours apart.
set linetype 1 dashtype solid
set linetype 2 dashtype (14, 5)
set linetype 3 dashtype (4, 4)
set linetype 4 dashtype (14, 4, 3, 4)
set linetype 5 dashtype (8, 3)
set linetype 6 dashtype (2, 3)
set linetype 7 dashtype (18, 3, 3, 3, 3, 3)
plot for [i = 0:curves - 1] ARG3 index i using 1:3:4 with filledcurves \
         linecolor rgb colour(i) fillstyle transparent solid 0.16 noborder notitle, \
     for [i = 0:curves - 1] ARG3 index i using 1:2 with steps \
         linetype ((i + i / 7) % 7 + 1) linecolor rgb colour(i) linewidth 2 title columnheader(2)

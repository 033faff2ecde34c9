# Where the time of a frame goes: the stages of the journey, stacked, one bar per cell.
#
#   gnuplot -d -c stages.gp TERMINAL OUTPUT DATA HEADINGS LAYOUT XLABEL
#
# DATA, tab-separated: row, then the ends of reserve, fill, transfer, access, kernel and other counted
# from zero, the name, and the median of the whole as text. HEADINGS: row, text. Medians.
# LAYOUT holds five numbers: height in pixels, the share of the width that names need, the lowest
# row, the end of the axis and one not used here; then a 1 or 0 for each stage, whether there is any.
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
# A legend of our own: gnuplot's breaks its line where names leave the plot little width.
names = "reserve fill transfer access kernel other"
# Okabe and Ito: sky, orange, blue, purple, green; grey
colours = "5682409 15113984 29362 13400487 40563 12897492"
top = 1.0 - 14.0 / height
present = word(ARG5, 6)
shown = 0
do for [i = 1:6] { shown = shown + int(substr(present, i, i)) }
do for [i = 1:6] {
    if (substr(present, i, i) eq "1") {
        at = 0.985 - 0.157 * shown
        shown = shown - 1
        set object i rectangle center screen at, screen top \
            size screen 0.024, screen 11.0 / height \
            fillcolor rgb int(word(colours, i)) fillstyle solid 1.0 noborder
        set label i word(names, i) at screen at + 0.02, screen top left textcolor rgb ink
    }
}
set yrange [word(ARG5, 3) + 0.0:0]
set xrange [0:word(ARG5, 4) + 0.0]
set lmargin at screen word(ARG5, 2) + 0.0
set rmargin at screen 0.985
set tmargin at screen 1.0 - 36.0 / height
set bmargin at screen 54.0 / height
set xlabel ARG6 textcolor rgb ink offset 0,0.6
plot ARG3 using 2:1:(0):2:($1 - 0.36):($1 + 0.36):yticlabels(8) with boxxyerror \
         fillstyle solid 1.0 noborder linecolor rgb int(word(colours, 1)), \
     ARG3 using 3:1:2:3:($1 - 0.36):($1 + 0.36) with boxxyerror \
         fillstyle solid 1.0 noborder linecolor rgb int(word(colours, 2)), \
     ARG3 using 4:1:3:4:($1 - 0.36):($1 + 0.36) with boxxyerror \
         fillstyle solid 1.0 noborder linecolor rgb int(word(colours, 3)), \
     ARG3 using 5:1:4:5:($1 - 0.36):($1 + 0.36) with boxxyerror \
         fillstyle solid 1.0 noborder linecolor rgb int(word(colours, 4)), \
     ARG3 using 6:1:5:6:($1 - 0.36):($1 + 0.36) with boxxyerror \
         fillstyle solid 1.0 noborder linecolor rgb int(word(colours, 5)), \
     ARG3 using 7:1:6:7:($1 - 0.36):($1 + 0.36) with boxxyerror \
         fillstyle solid 1.0 noborder linecolor rgb int(word(colours, 6)), \
     ARG3 using 7:1:9 with labels left offset character 0.6,0 textcolor rgb ink, \
     ARG4 using (0):1:2 with labels left offset character 0.2,-0.1 textcolor rgb ink

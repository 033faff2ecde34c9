# How launches went over their time: a panel per cell, its launches side by side.
#
#   gnuplot -d -c timeline.gp TERMINAL OUTPUT DATA PANELS LAYOUT YLABEL COLOURS
#
# DATA, tab-separated: index 0 has a row per panel: its name, and what it shows in a few words. Then
# two indices per panel. The first: the launch's number from 0 and the share of its time, the median
# and the largest time in nanoseconds, an empty line between launches. The second: place and time of
# each hiccup. LAYOUT holds three numbers: the ends of the times, and how many launches there are.
# COLOURS: one decimal RGB number per panel.
ink = "#1b2733"
grid = "#d8dee4"
panels = ARG4 + 0
panel_height = panels > 1 ? 118 : 220
height = panels * panel_height + 52
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
set grid ytics linetype 1 linecolor rgb grid linewidth 0.7 dashtype solid
unset key
set lmargin at screen 78.0 / 560
# Not a ylabel: one for all panels, drawn with the first and unset after it. A row of panels that each
# drew it would print it over itself, in bold.
set label 3 ARG6 at screen 11.0 / 560, screen 0.5 center rotate by 90 textcolor rgb ink
set rmargin at screen 548.0 / 560
launches = word(ARG5, 3) + 0
ymin = word(ARG5, 1) + 0.0
ymax = word(ARG5, 2) + 0.0
unit(v) = v < 999.5 ? sprintf("%g ns", v) : v < 999.5e3 ? sprintf("%g µs", v / 1e3) : \
    v < 999.5e6 ? sprintf("%g ms", v / 1e6) : sprintf("%g s", v / 1e9)
decades = log10(ymax / ymin)
# About one number for every 26 pixels.
room = (panel_height - 30) / 26.0
steps = decades * 3 < room ? "1 2 5" : "1"
skip = decades > room ? (decades > 2 * room ? 3 : 2) : 1
# Half a square of 6 pixels.
wide = launches * 3.0 / 470
high = (ymax / ymin) ** (3.0 / (panel_height - 28))
every_launch = launches > 40 ? 10 : launches > 15 ? 5 : 1
colour(i) = int(word(ARG7, i + 1))
# Read before there are logarithmic axes, with which older gnuplots cannot.
array names[panels]
array shown[panels]
do for [i = 1:panels] {
    stats ARG3 index 0 every ::i - 1::i - 1 using (name = strcol(1), says = strcol(2), 0) nooutput
    names[i] = name
    shown[i] = says
}
set multiplot
do for [i = 0:panels - 1] {
    set tmargin at screen 1.0 - (i * panel_height + 24.0) / height
    set bmargin at screen 1.0 - ((i + 1) * panel_height - 4.0) / height
    set label 1 names[i + 1] at graph 0, screen 1.0 - (i * panel_height + 12.0) / height left \
        textcolor rgb ink
    set label 2 shown[i + 1] at graph 1, screen 1.0 - (i * panel_height + 12.0) / height right \
        textcolor rgb ink
    set xrange [0:launches]
    set xtics ("" -1)
    do for [k = 1:launches] {
        set arrow k from k, graph 0 to k, graph 1 nohead back linetype 1 dashtype solid \
            linecolor rgb grid linewidth 0.7
        if (i == panels - 1 && (k % every_launch == 0 || every_launch == 1)) {
            set xtics add (sprintf("%d", k) k - 0.5)
        }
    }
    if (i == panels - 1) {
        set xlabel "launch, each from its first counted frame to its last" textcolor rgb ink \
            offset 0,0.4
    }
    set logscale y
    set yrange [ymin:ymax]
    set ytics ("" 1e30)
    do for [e = 0:13] {
        if (e % skip == 0) {
            do for [m in steps] {
                at = (m + 0) * 10.0 ** e
                named = unit(at)
                set ytics add (named at)
            }
        }
    }
    plot ARG3 index 2 * i + 1 using 1:2:3 with filledcurves linecolor rgb colour(i) \
             fillstyle transparent solid 0.28 noborder, \
         ARG3 index 2 * i + 1 using 1:2 with lines linetype 1 dashtype solid \
             linecolor rgb colour(i) linewidth 1.4, \
         ARG3 index 2 * i + 2 using 1:2:($1 - wide):($1 + wide):($2 / high):($2 * high) \
             with boxxyerror fillstyle empty linecolor rgb ink linewidth 1.2
    unset xlabel
    unset label 3
}
unset multiplot

# Draws one picture of a list, so that one gnuplot can draw many: it takes longer to start than to
# draw. Loaded once for each:
#
#   gnuplot -d -e "terminal='svg'; list='pictures.tsv'" -e picture=0 picture.gp -e picture=1 picture.gp …
#
# The list, tab-separated, has one row per picture: its script, the name of its files without
# their ending, and the script's arguments from the third on, "-" where it has fewer. They reach the
# script as strings; nothing is pasted into any text.
reset
do for [dashed = 1:7] { set linetype dashed dashtype solid }
set datafile separator "\t"
stats list every ::picture::picture using \
    (script = strcol(1), stem = strcol(2), argument3 = strcol(3), argument4 = strcol(4), \
     argument5 = strcol(5), argument6 = strcol(6), argument7 = strcol(7), \
     argument8 = strcol(8), argument9 = strcol(9), 0) nooutput
# Put in place by handoff once it is whole (harness/report/gnuplot.c).
output = sprintf("%s.%s.tmp", stem, terminal)
call script terminal output argument3 argument4 argument5 argument6 argument7 argument8 argument9
unset output

/* assets.h: the files of plots/ as they are built into the program; see plots/embed.cmake. */
#ifndef HANDOFF_REPORT_ASSETS_H
#define HANDOFF_REPORT_ASSETS_H

/* NUL-terminated text. */
extern const unsigned char report_asset_page_html[];
extern const unsigned char report_asset_page_css[];
extern const unsigned char report_asset_picture_gp[];
extern const unsigned char report_asset_percentiles_gp[];
extern const unsigned char report_asset_bars_gp[];
extern const unsigned char report_asset_stages_gp[];
extern const unsigned char report_asset_tradeoff_gp[];
extern const unsigned char report_asset_sizes_gp[];
extern const unsigned char report_asset_timeline_gp[];

#endif

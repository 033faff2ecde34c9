#!/usr/bin/env python3
"""Whether a page overflows: its width in headless Chromium on screens of some widths, light and dark.

Prints a line for each and exits with 1 where the page is wider than the screen, with 77 where there
is no Chromium. A table may be wider: it scrolls within its own container. Usage:

    page_widths.py [--widths 390,1400] [--pictures DIR] PAGE.html
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCHEMES = {"dark": 0, "light": 1}

# A frame of each width around the page; the frame's document says how wide it came out. Names of
# elements that stick out lead whoever has to mend it.
WRAPPER = """<!doctype html><title>widths</title><body><pre id="found"></pre><script>
const widths = %s, found = [];
function look(frame, width) {
  const page = frame.contentDocument, root = page.documentElement, wide = [];
  for (const element of page.body.querySelectorAll("*"))
    if (!element.closest(".scroll, pre, svg") && element.getBoundingClientRect().right > width + 1)
      wide.push(element.tagName + "." + element.className);
  found.push({width: width, page: root.scrollWidth, height: root.scrollHeight,
              wide: wide.slice(0, 5), background: frame.contentWindow.getComputedStyle(page.body)
              .backgroundColor});
  if (found.length == widths.length)
    document.getElementById("found").textContent = JSON.stringify(found);
}
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style = "border: 0; height: 900px; width: " + width + "px";
  frame.onload = () => look(frame, width);
  frame.src = %s;
  document.body.appendChild(frame);
}
</script>"""


def browser_find():
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    return None


def browser_run(browser, scheme, folder, *arguments):
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               "--disable-dev-shm-usage", "--user-data-dir=" + os.path.join(folder, "profile"),
               "--allow-file-access-from-files", "--disable-web-security",
               "--blink-settings=preferredColorScheme=%d" % SCHEMES[scheme]] + list(arguments)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120,
                          universal_newlines=True).stdout


def measure(browser, page, widths, scheme, folder):
    """[{"width": 390, "page": 390, …}, …]"""
    wrapper = os.path.join(folder, "wrapper.html")
    with open(wrapper, "w") as file:
        url = "file://" + urllib.request.pathname2url(os.path.abspath(page))
        file.write(WRAPPER % (json.dumps(widths), json.dumps(url)))
    said = browser_run(browser, scheme, folder, "--virtual-time-budget=20000", "--dump-dom",
                       "--window-size=%d,1000" % (max(widths) + 50), "file://" + wrapper)
    found = re.search(r'<pre id="found">(\[.*?\])</pre>', said, re.DOTALL)
    return json.loads(found.group(1)) if found else None


def picture(browser, page, width, height, scheme, folder, out):
    """A screenshot; headless windows are at least 500 wide, so that a narrow page stands in a frame."""
    wrapper = os.path.join(folder, "picture.html")
    url = "file://" + urllib.request.pathname2url(os.path.abspath(page))
    with open(wrapper, "w") as file:
        file.write("<!doctype html><title>picture</title><body style='margin: 0'><iframe src='%s' "
                   "style='border: 0; width: %dpx; height: %dpx'></iframe>" % (url, width, height))
    browser_run(browser, scheme, folder, "--screenshot=" + out, "--window-size=%d,%d" %
                (width, height), "--virtual-time-budget=10000", "file://" + wrapper)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--widths", default="390,1400")
    parser.add_argument("--pictures", metavar="DIR")
    parser.add_argument("--height", type=int, default=2400, help="of the pictures")
    parser.add_argument("page")
    args = parser.parse_args()
    browser = browser_find()
    if not browser:
        print("no Chromium here: apt-get install chromium")
        return 77
    widths = [int(width) for width in args.widths.split(",")]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for scheme in SCHEMES:
            found = measure(browser, args.page, widths, scheme, folder)
            if not found:
                print("%s: Chromium said nothing of the page" % scheme)
                failed = True
            for one in found or []:
                over = one["page"] > one["width"]
                failed = failed or over
                print("%s, screen %d: page %d, %s%s; height %d, background %s" %
                      (scheme, one["width"], one["page"], "OVERFLOWS" if over else "fits",
                       " " + ", ".join(one["wide"]) if one["wide"] else "", one["height"],
                       one["background"]))
            for width in widths if args.pictures else []:
                picture(browser, args.page, width, args.height, scheme, folder,
                        os.path.join(args.pictures, "%s-%d.png" % (scheme, width)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

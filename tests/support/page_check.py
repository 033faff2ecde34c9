"""page_check.py: whether a page is well-formed HTML that needs nothing but itself.

It is no validator (tests/README.md says which to run by hand): it sees elements that are not closed
or closed in the wrong order, ids given twice, links that lead nowhere, and anything that would be
loaded from elsewhere.
"""
import html.parser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
        "wbr"}
# Attributes whose value a browser fetches. Names of namespaces are not.
FETCHED = {"src", "srcset", "data", "poster", "xlink:href", "background", "action"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.problems = [], set(), set(), []

    def note(self, words):
        self.problems.append("line %d: %s" % (self.getpos()[0], words))

    def handle_starttag(self, tag, attrs):
        self.attributes(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes(tag, attrs)
        if tag not in VOID and "svg" not in self.open and tag != "svg":
            self.note("<%s/> does not close itself in HTML" % tag)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.note("</%s> within <%s>" % (tag, "><".join(self.open[-3:])))
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def attributes(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.note("<%s> has an attribute twice" % tag)
        for name, value in attrs:
            if name == "id" and value in self.ids:
                self.note("id %s twice" % value)
            if name == "id":
                self.ids.add(value)
            if name == "href" and value.startswith("#"):
                self.links.add(value[1:])
            if name in FETCHED or (name == "href" and not value.startswith("#")):
                self.note("<%s %s=%s> needs more than the page" % (tag, name, value[:40]))
            if name.startswith("on"):
                self.note("<%s %s> is a script" % (tag, name))
        if tag in ("script", "iframe", "object", "link"):
            self.note("<%s>" % tag)


def problems(path):
    """What is wrong with the page, as lines."""
    page = Page()
    with open(path, encoding="utf-8", errors="strict") as file:
        page.feed(file.read())
    page.close()
    found = page.problems + ["<%s> is never closed" % tag for tag in page.open]
    return found + ["nothing has the id %s" % link for link in sorted(page.links - page.ids)]

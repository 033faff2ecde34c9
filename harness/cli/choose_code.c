/* choose_code.c: the lines of Python that hand frames over the way that was chosen. See choose.h.
 *
 * tests/integration/check_choose.py runs each of them as it is printed.
 */
#include <ctype.h>
#include <string.h>

#include "harness/cli/choose.h"

/* What the lines have in place of %: see code_add. */
static const char reader_shm[] = "import handoff  # pip install ./transports/python\n"
                                 "%I\n"
                                 "\n"
                                 "with handoff.Reader(\"camera\", timeout=10) as reader:\n"
                                 "    for frame in reader:\n"
                                 "        %F(frame.array)\n";
static const char reader_unix[] =
    "import socket, struct, numpy\n"
    "%I\n"
    "\n"
    "frame = numpy.empty(24 + %H * %W * %C, numpy.uint8)\n"
    "with socket.socket(socket.AF_UNIX) as camera:\n"
    "    camera.connect(\"/tmp/camera.sock\")\n"
    "    while camera.recv_into(frame, 0, socket.MSG_WAITALL) == frame.nbytes:\n"
    "        timestamp_ns, width, height, channels, number = struct.unpack(\"<qiiii\", "
    "frame[:24])\n"
    "        %F(frame[24:].reshape(%H, %W, %C))\n";
static const char reader_zmq[] =
    "import struct, numpy, zmq\n"
    "%I\n"
    "\n"
    "camera = zmq.Context.instance().socket(zmq.PULL)\n"
    "camera.set_hwm(4)\n"
    "camera.connect(\"%A\")\n"
    "while True:\n"
    "    header, pixels = camera.recv_multipart(copy=False)\n"
    "    timestamp_ns, width, height, channels, number = struct.unpack(\"<qiiii\", header.buffer)\n"
    "    %F(numpy.frombuffer(pixels.buffer, numpy.uint8).reshape(%H, %W, %C))\n";

static const char writer_shm[] =
    "import handoff  # pip install ./transports/python\n"
    "import camera  # yours: read_into(array) fills it with a picture\n"
    "\n"
    "with handoff.Writer(\"camera\", (%H, %W, %C), policy=\"%P\", wait=\"%T\") as writer:\n"
    "    while True:\n"
    "        with writer.frame() as frame:\n"
    "            camera.read_into(frame.array)\n";
static const char writer_unix[] =
    "import itertools, pathlib, socket, struct, time, numpy\n"
    "import camera  # yours: read_into(array) fills it with a picture\n"
    "\n"
    "frame = numpy.empty(24 + %H * %W * %C, numpy.uint8)\n"
    "pathlib.Path(\"/tmp/camera.sock\").unlink(missing_ok=True)\n"
    "with socket.socket(socket.AF_UNIX) as listener:\n"
    "    listener.bind(\"/tmp/camera.sock\")\n"
    "    listener.listen()\n"
    "    detector, _ = listener.accept()\n"
    "    for number in itertools.count():\n"
    "        camera.read_into(frame[24:].reshape(%H, %W, %C))\n"
    "        struct.pack_into(\"<qiiii\", frame, 0, time.monotonic_ns(), %W, %H, %C, number)\n"
    "        detector.sendall(frame)\n";
static const char writer_zmq[] =
    "import itertools, struct, time, numpy, zmq\n"
    "import camera  # yours: read_into(array) fills it with a picture\n"
    "\n"
    "detector = zmq.Context.instance().socket(zmq.PUSH)\n"
    "detector.set_hwm(4)\n"
    "detector.bind(\"%A\")\n"
    "for number in itertools.count():\n"
    "    pixels = numpy.empty((%H, %W, %C), numpy.uint8)  # ZeroMQ sends from it later\n"
    "    camera.read_into(pixels)\n"
    "    header = struct.pack(\"<qiiii\", time.monotonic_ns(), %W, %H, %C, number)\n"
    "    detector.send_multipart([header, pixels], copy=False)\n";

/* Words that cannot be a module's name: Python's own, and the modules that the lines import. */
static const char words_no_module[] =
    " False None True and as assert async await break class continue def del elif else except "
    "finally for from global if import in is lambda nonlocal not or pass raise return try while "
    "with yield handoff itertools numpy pathlib runpy socket struct time zmq ";
/* What the lines call something else: a function of this name gets another one there. */
static const char words_no_function[] =
    " camera channels detector frame handoff header height itertools listener number numpy pathlib "
    "pixels reader runpy socket struct time timestamp_ns width writer zmq ";

static bool is_among(const char *words, const char *word, size_t length)
{
    for (const char *at = words; (at = strchr(at, ' ')) && at[1]; at++)
        if (strncmp(at + 1, word, length) == 0 && at[1 + length] == ' ')
            return true;
    return false;
}

static const char *function_name(const struct choose_arguments *arguments)
{
    const char *name = arguments->function;
    return is_among(words_no_function, name, strlen(name)) ? "detect" : name;
}

/* Whether Python can import the file by its name. */
static bool is_module(const char *stem, size_t length)
{
    if (length == 0 || isdigit((unsigned char)*stem) || is_among(words_no_module, stem, length))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)stem[i]) && stem[i] != '_')
            return false;
    return true;
}

/* A string of Python's. */
static void quoted_add(struct text *text, const char *string, size_t length)
{
    text_add(text, "\"");
    for (const char *end = string + length; string < end; string++) {
        const unsigned char byte = (unsigned char)*string;
        if (byte == '"' || byte == '\\')
            text_addf(text, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            text_addf(text, "\\x%02x", byte);
        else
            text_add_bytes(text, string, 1);
    }
    text_add(text, "\"");
}

static void import_add(struct text *text, const struct choose_arguments *arguments)
{
    const char *file = arguments->detector, *colon = arguments->function - 1;
    const char *name = colon;
    while (name > file && name[-1] != '/')
        name--;
    const size_t length = (size_t)(colon - name);
    if (length > 3 && memcmp(colon - 3, ".py", 3) == 0 && is_module(name, length - 3)) {
        text_addf(text, "from %.*s import %s", (int)(length - 3), name, arguments->function);
        if (strcmp(function_name(arguments), arguments->function) != 0)
            text_addf(text, " as %s", function_name(arguments));
        return;
    }
    text_addf(text, "import runpy\n%s = runpy.run_path(", function_name(arguments));
    quoted_add(text, file, (size_t)(colon - file));
    text_addf(text, ")[\"%s\"]", arguments->function);
}

static bool way_is(const struct choice_way *way, const char *transport)
{
    char value[REPORT_AXIS_BYTES];
    return strcmp(report_axis(way->cell, "transport", value), transport) == 0;
}

/* %W %H %C the frame's sides, %I the import of the function, %F its name, %A ZeroMQ's address, %P the
 * policy and %T the wait of a Writer. */
static void code_add(struct text *text, const char *lines, const struct choose_arguments *arguments,
                     const struct choice_way *way)
{
    char value[REPORT_AXIS_BYTES];
    for (; *lines; lines++) {
        if (*lines != '%') {
            text_add_bytes(text, lines, 1);
            continue;
        }
        switch (*++lines) {
        case 'W':
            text_addf(text, "%d", (int)arguments->geometry.width);
            break;
        case 'H':
            text_addf(text, "%d", (int)arguments->geometry.height);
            break;
        case 'C':
            text_addf(text, "%d", (int)arguments->geometry.channels);
            break;
        case 'I':
            import_add(text, arguments);
            break;
        case 'F':
            text_add(text, function_name(arguments));
            break;
        case 'A':
            text_add(text,
                     way_is(way, "zmq_tcp") ? "tcp://127.0.0.1:5555" : "ipc:///tmp/camera.zmq");
            break;
        case 'P':
            text_add(text, report_axis_is(way->cell, "policy", "latest") ? "latest" : "every");
            break;
        default:
            text_add_plain(text, report_axis(way->cell, "wait", value));
            break;
        }
    }
}

/* Of shm, unix and ZeroMQ. */
static void code_choose(struct text *text, const char *const lines[3],
                        const struct choose_arguments *arguments, const struct choice_way *way)
{
    if (way->state == CHOICE_HABIT)
        return;
    if (way_is(way, "shm"))
        code_add(text, lines[0], arguments, way);
    else if (way_is(way, "unix"))
        code_add(text, lines[1], arguments, way);
    else if (way_is(way, "zmq_ipc") || way_is(way, "zmq_tcp"))
        code_add(text, lines[2], arguments, way);
}

void choose_code_add_reader(struct text *text, const struct choose_arguments *arguments,
                            const struct choice_way *way)
{
    static const char *const lines[] = {reader_shm, reader_unix, reader_zmq};
    code_choose(text, lines, arguments, way);
}

void choose_code_add_writer(struct text *text, const struct choose_arguments *arguments,
                            const struct choice_way *way)
{
    static const char *const lines[] = {writer_shm, writer_unix, writer_zmq};
    if (arguments->python_producer)
        code_choose(text, lines, arguments, way);
}

void choose_code_add_other_side(struct text *text, const struct choose_arguments *arguments,
                                const struct choice_way *way)
{
    static const char bytes[] =
        "The camera's process sends, for each frame, the 24 bytes that struct.unpack takes apart "
        "here%s, and the pixels.";
    char value[REPORT_AXIS_BYTES];
    if (arguments->python_producer || way->state == CHOICE_HABIT)
        return;
    if (way_is(way, "unix"))
        text_addf(text, bytes, "");
    else if (!way_is(way, "shm"))
        text_addf(text, bytes, " as a part of a message of their own");
    else
        text_addf(text,
                  "The camera's process makes the segment, and says how both wait and which frames "
                  "the reader gets: in C handoff_writer_create(\"camera\", …) of handoff_frames.h "
                  "with .width = %d, .height = %d, .channels = %d, .policy = %s, .wait = \"%s\".",
                  (int)arguments->geometry.width, (int)arguments->geometry.height,
                  (int)arguments->geometry.channels,
                  report_axis_is(way->cell, "policy", "latest") ? "HANDOFF_LATEST"
                                                                : "HANDOFF_EVERY",
                  report_axis(way->cell, "wait", value));
}

/* session_outcome.c: what a launch came to: who is to blame, what it counted, what its frames say.
 * See session_parts.h. */
#include "harness/run/session_parts.h"

#include <stdio.h>
#include <string.h>

/* What stamps in order may lie apart the wrong way where nobody measured the clock. */
#define SESSION_TOLERANCE_NS 1000

/* Where the reason of a death may be found that nobody announced. */
static const char *session_death_hint(const struct session_role *role)
{
    return role->language == LANGUAGE_PYTHON
               ? "what Python said of it is on standard error; the kernel's log (dmesg) tells of "
                 "memory running out"
               : "the kernel's log (dmesg) tells of crashes and of memory running out";
}

/* Who failed first: a death that nobody announced, then a complaint that is not about the peer. */
static const struct session_role *session_culprit(const struct session *session)
{
    const struct session_role *culprit = NULL;
    for (int i = 0; i < session->role_count; i++)
        if (session->roles[i].ended && !session->roles[i].complained)
            return &session->roles[i];
    for (int i = 0; i < session->role_count; i++) {
        const struct session_role *role = &session->roles[i];
        if (role->complained && (!culprit || culprit->failure.status == ST_PEER_GONE))
            culprit = role;
    }
    return culprit;
}

/* Who has not got where it should be before frames are a question at all: a load, or a role that
 * never was ready. NULL: nobody. */
static const struct session_role *session_late(const struct session *session)
{
    for (int i = ROLES; i < session->role_count; i++)
        if (session->roles[i].phase < session->loads_due)
            return &session->roles[i];
    for (int i = 0; i < ROLES; i++)
        if (session->roles[i].phase < SESSION_READY)
            return &session->roles[i];
    return NULL;
}

static uint32_t session_trace_count(const struct session_role *role)
{
    const struct trace *trace = role->trace.bytes;
    return trace ? atomic_load_explicit(&trace->count, memory_order_acquire) : 0;
}

void session_fail(struct launch_outcome *outcome, const struct err *failure, enum status status)
{
    outcome->status = status;
    snprintf(outcome->reason, sizeof outcome->reason, "%.*s", (int)sizeof outcome->reason - 1,
             failure->what);
    snprintf(outcome->hint, sizeof outcome->hint, "%s", failure->hint);
}

void session_explain(struct session *session, enum status status, struct launch_outcome *outcome)
{
    char end[96];
    const struct session_role *culprit = session_culprit(session);
    const struct session_role *late = session_late(session);
    outcome->status = status;
    if (session->guard_lost) {
        /* Whatever the roles say of it: first the daemon went. */
        struct guard *guard = session->request->guard;
        struct err failure;
        (void)guard_gone(guard, guard->roudi.running ? "RouDi with it" : "the MPS daemon with it",
                         &failure);
        session_fail(outcome, &failure, ST_ROLE_DIED);
    } else if (status == ST_TIMEOUT && late) {
        /* What the cell asked for was not had: that says nothing about its rate (search_launch.c). */
        outcome->status = ST_UNAVAILABLE;
        snprintf(outcome->reason, sizeof outcome->reason, "the %s did not %s in time", late->label,
                 !late->is_load || session->loads_due == SESSION_READY ? "get ready"
                 : session->loads_due == SESSION_WORKING               ? "begin"
                                                                       : "stop");
        const bool calls = late == &session->roles[CONSUMER] && session->request->cell->detector;
        snprintf(outcome->hint, sizeof outcome->hint,
                 calls ? "does the user's file load, and its function return? Both come before it is ready"
                       : "does something of a higher priority keep its CPU, or does memory run "
                         "out?");
    } else if (status == ST_TIMEOUT) {
        snprintf(outcome->reason, sizeof outcome->reason,
                 "no end in sight at the deadline: %u of %u frames sent, %u received",
                 session_trace_count(&session->roles[PRODUCER]),
                 session->request->warmup + session->request->frames,
                 session_trace_count(&session->roles[CONSUMER]));
        snprintf(outcome->hint, sizeof outcome->hint, "lower the rate or the frame size%s",
                 session->request->cell->detector ? "; does the user's function return every time?"
                                                  : "");
    } else if (culprit && culprit->complained) {
        session_fail(outcome, &culprit->failure, culprit->failure.status);
    } else if (culprit && culprit->is_load) {
        snprintf(outcome->reason, sizeof outcome->reason, "the %s %s before it was told to stop",
                 culprit->label, process_end_format(&culprit->process, end, sizeof end));
        snprintf(outcome->hint, sizeof outcome->hint,
                 "the kernel's log (dmesg) tells of memory running out");
    } else if (culprit) {
        snprintf(outcome->reason, sizeof outcome->reason, "the %s %s after %u of its %u frames",
                 culprit->label, process_end_format(&culprit->process, end, sizeof end),
                 session_trace_count(culprit), session->request->warmup + session->request->frames);
        snprintf(outcome->hint, sizeof outcome->hint, "%s", session_death_hint(culprit));
    }
}

void session_check_ends(const struct session *session, struct launch_outcome *outcome)
{
    char end[96];
    for (int i = 0; i < session->role_count && outcome->status == ST_OK; i++) {
        const struct session_role *role = &session->roles[i];
        if (role->process.wait_status == 0)
            continue;
        if (role->complained) {
            session_fail(outcome, &role->failure, role->failure.status);
            continue;
        }
        outcome->status = ST_ROLE_DIED;
        snprintf(outcome->reason, sizeof outcome->reason, "the %s %s after its last frame",
                 role->label, process_end_format(&role->process, end, sizeof end));
        snprintf(outcome->hint, sizeof outcome->hint,
                 "it had %u s to clean up; what it said is on standard error",
                 (unsigned)(PROCESS_GRACE_NS / 1000000000u));
    }
}

/* What the loads did, as far as they came to saying it. */
static void session_fill_loads(const struct session *session, struct launch_outcome *outcome)
{
    for (int i = ROLES; i < session->role_count; i++) {
        const struct load_report *report = &session->roles[i].load_report;
        if (session->roles[i].phase == SESSION_FINISHED)
            outcome->loads[outcome->load_count++] = (struct launch_load){
                .kind = report->kind,
                .cpu = report->cpu,
                .rounds = report->rounds,
                .bytes = report->bytes,
                .buffer_bytes = report->buffer_bytes,
                .wall_ns = report->wall_ns,
                .cpu_ns = report->cpu_ns,
            };
    }
}

/* What the role said of its GPU, and what its trace says: stamps are converted last of all. */
static struct role_gpu_report session_gpu_report(const struct session_role *role)
{
    const struct trace *trace = role->trace.bytes;
    struct role_gpu_report report = role->report.gpu;
    if (report.used && trace && trace->has_gpu)
        report.clock_error_ns = trace->gpu_error_ns;
    return report;
}

void session_fill_outcome(const struct session *session, struct launch_outcome *outcome)
{
    const struct session_request *request = session->request;
    const struct role_report *sent = &session->roles[PRODUCER].report;
    const struct role_report *received = &session->roles[CONSUMER].report;
    const double payload_bytes = (double)cell_payload_bytes(request->cell);
    outcome->producer = sent->usage;
    outcome->consumer = received->usage;
    outcome->producer_had = sent->surroundings;
    outcome->consumer_had = received->surroundings;
    outcome->producer_gpu = session_gpu_report(&session->roles[PRODUCER]);
    outcome->consumer_gpu = session_gpu_report(&session->roles[CONSUMER]);
    outcome->producer_python = sent->python;
    outcome->consumer_python = received->python;
    session_fill_loads(session, outcome);
    /* Each side by its own frames: with policy latest the consumer takes fewer. */
    if (payload_bytes > 0 && sent->frames > 0 && received->frames > 0)
        outcome->copies_per_frame =
            (double)(sent->counters.copied_bytes + sent->filled_bytes) /
                (payload_bytes * (double)sent->frames) +
            (double)(received->counters.copied_bytes + received->filled_bytes) /
                (payload_bytes * (double)received->frames);
}

static int64_t session_tolerance_ns(const struct session_request *request)
{
    const struct clock_choice *clock = request->clock;
    if (!clock)
        return SESSION_TOLERANCE_NS;
    return clock_tolerance_ns(clock, cell_has_python(request->cell) ? clock_monotonic(clock)
                                                                    : clock_chosen(clock));
}

static enum status session_fold_traces(const struct session *session, bool partial,
                                       struct fold *fold, struct launch_outcome *outcome,
                                       struct err *err)
{
    const struct session_request *request = session->request;
    const struct cell *cell = request->cell;
    const struct shm_map *producer = &session->roles[PRODUCER].trace;
    const struct shm_map *consumer = &session->roles[CONSUMER].trace;
    const struct fold_config config = {
        .warmup = request->warmup,
        .frames = request->frames,
        .partial = partial,
        .latest = cell->policy == POLICY_LATEST,
        .detector = strcmp(cell->kernel->name, "detector") == 0,
        .rate = cell_has_schedule(cell),
        .pingpong = cell->pacing == PACING_PINGPONG,
        .commit_moves_bytes = (cell->transport->flags & TRANSPORT_MOVES_BYTES) != 0,
        .fills_in_place = cell->fill == FILL_IN_PLACE || cell->fill == FILL_GPU,
        .zero_copy =
            cell->access->enqueue == NULL && !cell->register_per_frame && cell->read == READ_VIEW,
        .kernel_on_gpu = cell_kernel_on_gpu(cell),
        .order_event = cell->order == ORDER_EVENT,
        .deadline_ns = outcome->deadline_ns,
        .tolerance_ns = session_tolerance_ns(request),
        .apart_ns = request->peer ? peer_clock_uncertainty_ns(&session->clock) : 0,
    };
    enum status status = fold_traces(&config, producer->bytes, producer->size_bytes,
                                     consumer->bytes, consumer->size_bytes, fold, err);
    if (status != ST_OK || partial)
        return status;
    status = fold_integrity_verdict(&fold->integrity, err);
    uint64_t skipped = session->roles[PRODUCER].report.counters.skipped_frames;
    if (status == ST_OK && config.latest && skipped != fold->integrity.skipped)
        status = err_set(err, ST_CORRUPT, "this is a defect of the transport",
                         "%llu frames never arrived, but the transport replaced %llu",
                         (unsigned long long)fold->integrity.skipped, (unsigned long long)skipped);
    return status;
}

/* Across two hosts: an interval from one role to the other is of two clocks. Where they may be apart by
 * too much of it, it is not told, and why is. */
static void session_withhold(const struct session *session, struct fold *fold,
                             struct launch_outcome *outcome)
{
    struct peer_launch *peer = &outcome->peer;
    peer->clock = session->clock;
    for (int i = 0; i < INTERVAL_COUNT; i++) {
        const struct interval_span span = interval_span((enum interval)i, false);
        struct hdr *hdr = fold->intervals[i];
        if (span.from_side == span.to_side || hdr_count(hdr) + fold->infinite[i] == 0)
            continue;
        const uint64_t p50_ns = (uint64_t)hdr_quantile_ns(hdr, 0.5);
        if (peer_can_tell(peer, p50_ns))
            continue;
        hdr_reset(hdr);
        fold->infinite[i] = 0;
        if (i == INTERVAL_latency)
            fold->steady = true; /* what is not known is not said to drift */
        if (fold->timeline.interval == (enum interval)i)
            fold->timeline.bucket_count = 0;
        if (peer->withheld_count < PEER_WITHHELD_MAX) {
            peer->withheld[peer->withheld_count].interval = interval_name((enum interval)i);
            peer->withheld[peer->withheld_count++].p50_ns = p50_ns;
        }
    }
    if (!peer_can_tell(peer, fold->first_frame_ns))
        fold->first_frame_ns = 0;
}

void session_fold(const struct session *session, struct fold *fold, struct launch_outcome *outcome)
{
    struct err failure;
    if (!session->roles[PRODUCER].trace.bytes || !session->roles[CONSUMER].trace.bytes)
        return;
    enum status status =
        session_fold_traces(session, outcome->status != ST_OK, fold, outcome, &failure);
    if (outcome->status == ST_OK && status != ST_OK)
        session_fail(outcome, &failure, status);
    if (session->request->peer)
        session_withhold(session, fold, outcome);
    outcome->fold = fold;
}

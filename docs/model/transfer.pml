/* How a record moves between regions: the transfer protocol and the relay of entries, for the model checker Spin.

   What is modelled, what is not, and what the figures mean stands in docs/transfer.md. `make model` runs it.
   Every step below is one transaction of one region, or one act of the network; after each of them all invariants
   are asserted. A region's state is a function of its log, so it outlives a crash; what it has in `hand` does not.

   Bounds: MOVES offers in all, ENTRIES entries in all, three regions. LIVE adds the liveness claim, CLOSURE lets the
   federation close one region for good. -DINVARIANT=n asserts only the n-th; the other names are mutations. */

#ifndef MOVES
#define MOVES 3
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif
#ifndef INVARIANT
#define INVARIANT 0
#endif

/* Two networks. The wide one holds a copy of every message from the moment its event is logged, and delivers it never,
   once or often, at any time: there, losing a message or an acknowledgement is nothing more than not delivering, or
   delivering again. The lossy one has copies that are sent, lost and repeated one by one, until it becomes calm. */
#ifdef LIVE
#define LOSSY
#endif
#ifdef LOSSY
#define COPIED 0
#else
#define COPIED 1
#endif

#define REGIONS 3
#define NOBODY REGIONS
#define ALL ((1 << ENTRIES) - 1)
#define EPOCHS 5                         /* from 1; MOVES is at most 4, ENTRIES at most 3 */

/* What a region knows of the volunteer: at home here, offered to another region, or at home elsewhere (`home`). */
#define HERE 1
#define TRANSIT 2
#define AWAY 3

/* What the destination decided of an offer; 1 << verdict is a copy of its answer on the wire. */
#define UNDECIDED 0
#define ACCEPTED 1
#define ENDED 2                          /* transfer.rejected or transfer.expired: the origin does the same with both */

/* What the origin of an offer made of it. */
#define OPEN 0
#define CLOSED 1
#define CANCELLED 2

/* By region. Sets of entries are masks. `counted` is what its totals show, `records` what its log holds. */
byte status[REGIONS];
byte home[REGIONS];
byte epoch[REGIONS];                     /* the last one it knows */
byte asked[REGIONS];                     /* transfer.requested, not yet offered */
byte records[REGIONS];
byte counted[REGIONS];
byte hand[REGIONS];                      /* the offer whose bundle was fetched: in memory only */
byte sender[REGIONS * ENTRIES];          /* of what is held: who relayed it, or the region itself */

/* By pair of regions: rows of the outbox that are not acknowledged yet, and copies that the network holds. */
byte rows[REGIONS * REGIONS];
byte wire[REGIONS * REGIONS];

/* By epoch, which names an offer. */
byte origin[EPOCHS];
byte destination[EPOCHS];
byte bundle[EPOCHS];
byte verdict[EPOCHS];
byte fate[EPOCHS];
byte tenant[EPOCHS];                     /* who became home in this epoch */
bit offer_row[EPOCHS];
bit offer_wire[EPOCHS];
bit offer_held[EPOCHS];                  /* stored by the destination before it answered */
bit answer_row[EPOCHS];
byte answer_wire[EPOCHS];

byte recorded;                           /* entries so far */
byte offers;
bit calm;                                /* from here on the network loses, repeats and crashes nothing */
bit twice;                               /* an entry was added to totals that had it */
bit two_tenants;
byte shut = NOBODY;                      /* the region that the federation closed */

#define PAIR(from, to) ((from) * REGIONS + (to))
#define OTHER(r, n) (((r) + (n)) % REGIONS)
#define HAS(set, e) (((set) >> (e)) & 1)

/* --- invariants --------------------------------------------------------------------------------------------- */

#define ONE_HOME (((status[0] == HERE) + (status[1] == HERE) + (status[2] == HERE)) <= 1 && !two_tenants)

#define COUNTED_ONCE (!twice \
    && (counted[0] & counted[1]) == 0 && (counted[0] & counted[2]) == 0 && (counted[1] & counted[2]) == 0)

/* In transit: frozen at a region whose offer is undecided or ended, or held there beside what the other one took. */
#define FROZEN(r) (status[r] != TRANSIT -> 0 : \
    (verdict[epoch[r]] == ACCEPTED -> records[r] & ~bundle[epoch[r]] : records[r]))
/* On its way: in an outbox, and not yet known where it goes. */
#define LEAVING(from, to) (rows[PAIR(from, to)] & ~records[to])
#define NEVER_LOST ((counted[0] | counted[1] | counted[2] | FROZEN(0) | FROZEN(1) | FROZEN(2) \
    | LEAVING(0, 1) | LEAVING(0, 2) | LEAVING(1, 0) | LEAVING(1, 2) | LEAVING(2, 0) | LEAVING(2, 1)) \
    == (1 << recorded) - 1)

#define UNTOLD(t) (fate[t] == OPEN \
    || (fate[t] == CLOSED && verdict[t] == ACCEPTED) \
    || (fate[t] == CANCELLED && verdict[t] == ENDED) \
    || (fate[t] == CANCELLED && verdict[t] == UNDECIDED && shut == destination[t]))

#define ASSERTED(n) (INVARIANT == 0 || INVARIANT == n)

inline check() {
    d_step {
    assert(!ASSERTED(1) || ONE_HOME);
    assert(!ASSERTED(2) || COUNTED_ONCE);
    assert(!ASSERTED(3) || NEVER_LOST);
    t = 1;
    do
    :: t < EPOCHS -> assert(!ASSERTED(4) || UNTOLD(t)); t++
    :: else -> break
    od;
    t = 0; e = 0; p = 0
    }
}

/* --- what a region does with an entry ------------------------------------------------------------------------- */

inline add(r, set) {
    twice = twice || (counted[r] & (set)) != 0;
    counted[r] = counted[r] | (set)
}

inline row(from, to, e) {
    rows[PAIR(from, to)] = rows[PAIR(from, to)] | (1 << e);
    wire[PAIR(from, to)] = wire[PAIR(from, to)] | (COPIED << e)
}

/* An entry recorded here or relayed by `from`: counted at home, held in transit, forwarded when home is elsewhere. */
inline enter(r, e, from) {
    records[r] = records[r] | (1 << e);
    if
    :: status[r] == HERE -> add(r, 1 << e)
    :: status[r] == TRANSIT -> sender[r * ENTRIES + e] = from
    :: status[r] == AWAY && home[r] != from -> row(r, home[r], e)
    :: else -> skip
    fi
}

/* Closing: what is not in the bundle goes after it, except to the one who sent it. */
inline relay_held(r, to) {
    e = 0;
    do
    :: e < ENTRIES ->
        if
        :: HAS(records[r] & ~bundle[t], e) && sender[r * ENTRIES + e] != to ->
#ifndef FORGET_HELD
            row(r, to, e)
#else
            skip
#endif
        :: else -> skip
        fi;
        sender[r * ENTRIES + e] = 0;
        e++
    :: else -> break
    od
}

/* What no later step reads is cleared, here and below, for the sake of fewer states. */
inline close(r) {
    status[r] = AWAY;
    home[r] = destination[t];
    fate[t] = CLOSED;
    counted[r] = 0;
    relay_held(r, destination[t]);
    bundle[t] = 0;
    epoch[r] = 0
}

inline cancel(r) {
    status[r] = HERE;
    fate[t] = CANCELLED;
    counted[r] = records[r];
    e = 0;
    do
    :: e < ENTRIES -> sender[r * ENTRIES + e] = 0; e++
    :: else -> break
    od;
    bundle[t] = 0
}

inline decide(r, what) {
    verdict[t] = what;
    answer_row[t] = 1;
    answer_wire[t] = answer_wire[t] | (COPIED << what);
    hand[r] = 0
}

/* --- picking one of several: the guard of the step holds for at least one of them -------------------------------- */

#define SOME_OFFER(can) (can(1) || can(2) || can(3) || can(4))
#define PICK_OFFER(can) if :: can(1) -> t = 1 :: can(2) -> t = 2 :: can(3) -> t = 3 :: can(4) -> t = 4 fi
#define PICK_ENTRY(set) if :: HAS(set, 0) -> e = 0 :: HAS(set, 1) -> e = 1 :: HAS(set, 2) -> e = 2 fi
#define SOME_PEER(can, r) (can(OTHER(r, 1)) || can(OTHER(r, 2)))
#define PICK_PEER_THAT(can, r) if :: can(OTHER(r, 1)) -> p = OTHER(r, 1) :: can(OTHER(r, 2)) -> p = OTHER(r, 2) fi

/* What a region may do with offer n, or with peer q. */
#define MINE(n) (n <= offers && destination[n] == self)
#define OFFER_UNSENT(n) (n <= offers && origin[n] == self && offer_row[n] && !offer_wire[n])
#define OFFER_COMES(n) (MINE(n) && offer_wire[n])
#define CAN_FETCH(n) (MINE(n) && offer_held[n] && verdict[n] == UNDECIDED && hand[self] == 0)
#define CAN_EXPIRE(n) (MINE(n) && offer_held[n] && verdict[n] == UNDECIDED)
#define ANSWER_UNSENT(n) (MINE(n) && answer_row[n] && answer_wire[n] == 0)
#define ANSWER_COMES(n) (n <= offers && origin[n] == self && answer_wire[n])
#define UNSENT(q) (rows[PAIR(self, q)] & ~wire[PAIR(self, q)])
#define COMES(q) wire[PAIR(q, self)]

/* Delivery. Before calm the network may keep the copy, to deliver it again, and the acknowledgement may be lost. */
#ifdef LOSSY
#define LOSES !calm
#else
#define LOSES false
#endif

inline acknowledge_offer() {
    if
    :: offer_row[t] = 0; offer_wire[t] = offer_wire[t] && !calm
    :: LOSES
    fi
}

inline acknowledge_answer() {
    if
    :: answer_row[t] = 0; answer_wire[t] = (calm -> 0 : answer_wire[t])
    :: LOSES
    fi
}

inline acknowledge_entry(from, to) {
    if
    :: rows[PAIR(from, to)] = rows[PAIR(from, to)] & ~(1 << e);
       wire[PAIR(from, to)] = (calm -> wire[PAIR(from, to)] & ~(1 << e) : wire[PAIR(from, to)])
    :: LOSES
    fi
}

/* A region that the federation closed does nothing any more; a crash that would change nothing is no step. */
#ifdef ACT_AFTER_CLOSURE
#define UP true
#else
#define UP (shut != self)
#endif
#ifdef OUTBOX_APART
#define CAN_CRASH true
#else
#define CAN_CRASH (hand[self] != 0)
#endif

/* Mutation: rows are not derived from the log, so a crash before sending forgets them. */
inline forget_rows(r) {
    rows[PAIR(r, OTHER(r, 1))] = rows[PAIR(r, OTHER(r, 1))] & wire[PAIR(r, OTHER(r, 1))];
    rows[PAIR(r, OTHER(r, 2))] = rows[PAIR(r, OTHER(r, 2))] & wire[PAIR(r, OTHER(r, 2))];
    t = 1;
    do
    :: t < EPOCHS ->
        offer_row[t] = offer_row[t] && (origin[t] != r || offer_wire[t]);
        answer_row[t] = answer_row[t] && (destination[t] != r || answer_wire[t] != 0);
        t++
    :: else -> break
    od
}

/* --- a region -------------------------------------------------------------------------------------------------- */

proctype region(byte self) {
    byte t, e, p;

end:
    do
    /* hours.recorded: by an organisation at home, at a former home, or where the volunteer visits */
    :: atomic { UP && recorded < ENTRIES ->
        e = recorded;
        recorded++;
        enter(self, e, self);
#ifdef COUNT_WHILE_FROZEN
        if
        :: status[self] == TRANSIT ->
            add(self, 1 << e);
            row(self, destination[epoch[self]], e)
        :: else -> skip
        fi;
#endif
        check() }

    /* transfer.requested, then transfer.offered: the record is frozen, the epoch fresh */
    :: atomic { UP && status[self] == HERE && asked[self] == NOBODY && offers < MOVES ->
        if
        :: offers == 0 -> p = 1 /* the others differ by name only */
        :: offers > 0 -> p = OTHER(self, 1)
        :: offers > 0 -> p = OTHER(self, 2)
        fi;
        asked[self] = p;
        check() }
    :: atomic { UP && status[self] == HERE && asked[self] != NOBODY && offers < MOVES ->
#ifdef REUSE_EPOCH
        offers++;
        epoch[self] = (epoch[self] == 0 -> 1 : epoch[self]);
        t = epoch[self];
        verdict[t] = UNDECIDED;
        offer_held[t] = 0;
        fate[t] = OPEN;
#else
        epoch[self] = epoch[self] + 1;
        t = epoch[self];
        offers = t;
#endif
        origin[t] = self;
        destination[t] = asked[self];
        bundle[t] = records[self];
        offer_row[t] = 1;
        offer_wire[t] = COPIED;
        status[self] = TRANSIT;
        asked[self] = NOBODY;
#ifndef COUNT_WHILE_OFFERED
        counted[self] = 0;
#endif
        check() }

    /* The outbox: what is not acknowledged is sent, again if need be. */
#ifdef LOSSY
    :: atomic { UP && SOME_OFFER(OFFER_UNSENT) -> PICK_OFFER(OFFER_UNSENT);
        offer_wire[t] = 1;
#ifdef SEND_ONCE
        offer_row[t] = 0;
#endif
        check() }
    :: atomic { UP && SOME_OFFER(ANSWER_UNSENT) -> PICK_OFFER(ANSWER_UNSENT);
        answer_wire[t] = 1 << verdict[t];
#ifdef SEND_ONCE
        answer_row[t] = 0;
#endif
        check() }
    :: atomic { UP && SOME_PEER(UNSENT, self) -> PICK_PEER_THAT(UNSENT, self);
        PICK_ENTRY(UNSENT(p));
        wire[PAIR(self, p)] = wire[PAIR(self, p)] | (1 << e);
#ifdef SEND_ONCE
        rows[PAIR(self, p)] = rows[PAIR(self, p)] & ~(1 << e);
#endif
        check() }
#endif

    /* The destination: the offer is stored before it is acknowledged; the bundle is fetched, and decided on once. */
    :: atomic { UP && SOME_OFFER(OFFER_COMES) -> PICK_OFFER(OFFER_COMES);
        offer_held[t] = 1;
#ifdef DECIDE_TWICE
        verdict[t] = UNDECIDED;
#endif
        acknowledge_offer();
        check() }
    :: atomic { UP && SOME_OFFER(CAN_FETCH) -> PICK_OFFER(CAN_FETCH);
        hand[self] = t;
        check() }
    /* transfer.accepted: waits while an own offer is open, for the volunteer may have come back before its answer. */
#ifndef ACCEPT_IN_TRANSIT
    :: atomic { UP && hand[self] != 0 && status[self] != TRANSIT ->
#else
    :: atomic { UP && hand[self] != 0 ->
#endif
        t = hand[self];
        decide(self, ACCEPTED);
        two_tenants = two_tenants || (tenant[t] != NOBODY && tenant[t] != self);
        tenant[t] = self;
        records[self] = records[self] | bundle[t];
        status[self] = HERE;
        home[self] = self;
        epoch[self] = t;
        counted[self] = records[self];
        check() }
    :: atomic { UP && hand[self] != 0 ->
        t = hand[self];
        decide(self, ENDED);
        check() }
    :: atomic { UP && SOME_OFFER(CAN_EXPIRE) -> PICK_OFFER(CAN_EXPIRE);
        decide(self, ENDED);
        check() }

    /* The origin: transfer.closed or transfer.cancelled by the answer; an answer that it has had changes nothing. */
    :: atomic { UP && SOME_OFFER(ANSWER_COMES) -> PICK_OFFER(ANSWER_COMES);
        if
        :: status[self] == TRANSIT && epoch[self] == t && (answer_wire[t] & (1 << ACCEPTED)) -> close(self)
        :: status[self] == TRANSIT && epoch[self] == t && !(answer_wire[t] & (1 << ACCEPTED)) -> cancel(self)
        :: else -> skip
        fi;
        acknowledge_answer();
        check() }
#ifdef CANCEL_ON_SILENCE
    :: atomic { UP && status[self] == TRANSIT -> t = epoch[self]; cancel(self); check() }
#endif

    /* entry.received: once */
    :: atomic { UP && SOME_PEER(COMES, self) -> PICK_PEER_THAT(COMES, self);
        PICK_ENTRY(COMES(p));
        if
#ifdef RECEIVE_TWICE
        :: enter(self, e, p)
#else
        :: HAS(records[self], e) -> skip
        :: !HAS(records[self], e) -> enter(self, e, p)
#endif
#ifdef ANSWER_BEFORE_LOG
        :: LOSES -> skip
#endif
        fi;
        acknowledge_entry(p, self);
        check() }

    /* A crash between any two steps: the log stays, what was in memory goes. */
    :: atomic { !calm && UP && CAN_CRASH ->
        hand[self] = 0;
#ifdef OUTBOX_APART
        forget_rows(self);
#endif
        check() }

#ifdef CLOSURE
    /* transfer.cancelled by the federation's closure: the final record of the other side shows no decision. */
    :: atomic { UP && status[self] == TRANSIT && destination[epoch[self]] == shut ->
        t = epoch[self];
        if
        :: verdict[t] == ACCEPTED -> close(self)
        :: else -> cancel(self)
        fi;
        check() }
#endif
    od
}

/* --- the network, and the federation ---------------------------------------------------------------------------- */

#define OFFER_ON_WIRE(n) (n <= offers && offer_wire[n])
#define ANSWER_ON_WIRE(n) (n <= offers && answer_wire[n])

inline lose(from, to) {
    wire[PAIR(from, to)] = wire[PAIR(from, to)] & ~(1 << e)
}

#if defined(LOSSY) || defined(CLOSURE)
proctype network() {
    byte t, e, p;

end:
    do
#ifdef LOSSY
    :: atomic { !calm && SOME_OFFER(OFFER_ON_WIRE) -> PICK_OFFER(OFFER_ON_WIRE);
        offer_wire[t] = 0;
        check() }
    :: atomic { !calm && SOME_OFFER(ANSWER_ON_WIRE) -> PICK_OFFER(ANSWER_ON_WIRE);
        answer_wire[t] = 0;
        check() }
    :: atomic { !calm && wire[PAIR(0, 1)] -> PICK_ENTRY(wire[PAIR(0, 1)]); lose(0, 1); check() }
    :: atomic { !calm && wire[PAIR(0, 2)] -> PICK_ENTRY(wire[PAIR(0, 2)]); lose(0, 2); check() }
    :: atomic { !calm && wire[PAIR(1, 0)] -> PICK_ENTRY(wire[PAIR(1, 0)]); lose(1, 0); check() }
    :: atomic { !calm && wire[PAIR(1, 2)] -> PICK_ENTRY(wire[PAIR(1, 2)]); lose(1, 2); check() }
    :: atomic { !calm && wire[PAIR(2, 0)] -> PICK_ENTRY(wire[PAIR(2, 0)]); lose(2, 0); check() }
    :: atomic { !calm && wire[PAIR(2, 1)] -> PICK_ENTRY(wire[PAIR(2, 1)]); lose(2, 1); check() }
    :: atomic { !calm -> calm = 1 }
#endif
#ifdef CLOSURE
    :: atomic { shut == NOBODY ->
        if
        :: shut = 0
        :: shut = 1
        :: shut = 2
        fi }
#endif
    od
}
#endif

init {
    d_step {
        status[0] = HERE;
        status[1] = AWAY;
        status[2] = AWAY;
        asked[0] = NOBODY;
        asked[1] = NOBODY;
        asked[2] = NOBODY;
        tenant[0] = 0;
        tenant[1] = NOBODY;
        tenant[2] = NOBODY;
        tenant[3] = NOBODY;
        tenant[4] = NOBODY
    }
    atomic {
        run region(0);
        run region(1);
        run region(2);
#if defined(LOSSY) || defined(CLOSURE)
        run network()
#endif
    }
}

/* Once the network is calm, every offer is closed or cancelled and every entry counted at home, for good. */
#ifdef LIVE
#define AT_REST(r) (status[r] != TRANSIT && asked[r] == NOBODY)
#define DONE_WITH(n) (n > offers || fate[n] != OPEN)
#define SETTLED (AT_REST(0) && AT_REST(1) && AT_REST(2) \
    && (status[0] == HERE) + (status[1] == HERE) + (status[2] == HERE) == 1 \
    && DONE_WITH(1) && DONE_WITH(2) && DONE_WITH(3) && DONE_WITH(4) \
    && (counted[0] | counted[1] | counted[2]) == (1 << recorded) - 1 \
    && offer_row[1] + offer_row[2] + offer_row[3] + offer_row[4] == 0 \
    && answer_row[1] + answer_row[2] + answer_row[3] + answer_row[4] == 0 \
    && rows[1] + rows[2] + rows[3] + rows[5] + rows[6] + rows[7] == 0)

ltl settles { (<> calm) -> (<> [] (SETTLED)) }
#endif

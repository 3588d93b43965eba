/**
 * Every constant of the takeover protocol, of the controller and of the agent, in one table.
 *
 * What must hold between them (`tests/core/timings_test.ts` asserts each line):
 *
 * | what holds | or else |
 * |---|---|
 * | renewal < renewalTimeout < missedRenewal | an answer that is slow, but in time, would count as a missed one |
 * | 2 renewalTimeout < pause | one renewal that fails would begin `renewingSince` anew |
 * | pause < timeout | a witness could have been as silent as the one that it speaks against |
 * | 2 renewalTimeout < speech | one renewal that fails would mute its node before the next is answered |
 * | dispute > speech | a kernel that has heard of its successor would speak again before its permission ends |
 * | probe < stranger | a stranger would count between two looks |
 * | fence >= speech + clockGrain | a fence would be complete while an older permission lives |
 * | missedRenewal < hear < yield | a holder would be reminded of its term, or fenced, before its next renewal says what it knows |
 * | look, renewal < gateRefresh | the gate would be written anew with each look |
 * | disconnectedProbe < speech | cut off, a permission would lapse between two looks |
 * | probe < conflict | a node would be tried again before it has looked again |
 * | probe < heardHolder | a standby's last look, at the holder before, would pass for a foreign host |
 * | 2 renewalTimeout < takeBack < bindTimeout | one renewal that fails would undo a binding; a node that is cut off would be waited for |
 * | announce < announceLifetime <= speech | an announcement would leave after the permission that it rests on |
 * | yield + fence < settle; bindTimeout < settle | a one-shot tick would give up before a node that does not answer is fenced |
 * | bindTimeout < bindRetry; speech < leave | a node would be elected again before it is given up; a leaver would go unheard |
 * | leave < return < longestReturn | a node that restarts its agent would be one that comes and goes |
 * | abandoned, fence < leftover | a Lease would be removed that still counts, or whose fence is waited for |
 * | worry >= abandoned | a resident controller would stop hurrying for a heartbeat that still counts |
 */
export const TIMINGS = {
  // ------------------------------------------------------------ heartbeats

  /** From one renewal of an agent's Lease to the next. */
  renewalMilliseconds: 1_000,
  /** A renewal without an answer has failed. */
  renewalTimeoutMilliseconds: 1_100,
  /** More than this between two renewals: one was missed. */
  missedRenewalMilliseconds: 1_200,
  /** More than this between two renewals that were answered is a pause; one that fails or is late is none. */
  pauseMilliseconds: 2_500,
  /** A heartbeat of this age is stale, where `failureDetection.timeoutSeconds` says nothing else. */
  timeoutMilliseconds: 4_000,
  /** The worst error of a difference of two times of the API server, which are whole seconds. */
  clockGrainMilliseconds: 1_000,
  /** A Lease without an agent's pod on its node is believed for this long; then the agent was taken away. */
  abandonedMilliseconds: 60_000,

  /** A Lease that nothing has been written to for so long, of a node that is gone, is removed. */
  leftoverMilliseconds: 300_000,

  // ------------------------------------------------------------ speech

  /** A permission of the kernel ends this long after the renewal that it rests on was sent. */
  speechMilliseconds: 3_000,
  /** Not hearing the API server, a kernel is silent for so long about a VIP that another host says it has. */
  disputeMilliseconds: 4_000,
  /** For so long after the agent last said so, a host that is known to be a stranger does not count. */
  strangerMilliseconds: 20_000,
  /** Telling the kernel takes some milliseconds; by so much more than this, it lets an agent speak for too long. */
  promptMilliseconds: 100,
  /** A node that speaks compares its clocks this often: it may have stood still, and its permissions with it. */
  clocksMilliseconds: 250,
  /** The gate is written anew this often, in case somebody else took it away. */
  gateRefreshMilliseconds: 10_000,
  /** An announcement that has not left by then is stopped. */
  announceLifetimeMilliseconds: 3_000,
  /** From one of the first announcements to the next. */
  announceMilliseconds: 1_000,
  /** From one announcement to the next, for good. */
  announceRefreshMilliseconds: 30_000,

  // ------------------------------------------------------------ looks

  /** Addresses are looked at whenever they change; where that cannot be told each second, … */
  lookMilliseconds: 1_000,
  /** … and now and then anyway. */
  watchedLookMilliseconds: 10_000,
  /** From one look on a bound VIP's wire for other owners to the next. */
  probeMilliseconds: 10_000,
  /** The same while the API server does not answer. */
  disconnectedProbeMilliseconds: 1_000,
  /** How long another host that answers for a VIP keeps out a node that saw it. */
  conflictMilliseconds: 60_000,
  /** What agents heard of a holder before is forgotten by then. */
  heardHolderMilliseconds: 20_000,

  /** A standby looks at a new holder's MAC address so long after it heard of it. */
  holderLookMilliseconds: 500,
  /** For so long after a planned move answers that belong to the former holder's connections are passed on to it. */
  lateAnswersMilliseconds: 900_000,

  /** An uplink's target is lost by so much later than `failures` intervals: the last of its answers may be on its way. */
  uplinkGraceMilliseconds: 100,

  // ------------------------------------------------------------ moves

  /** How long a holder's watch gets to tell it of its term before its heartbeat does. */
  hearMilliseconds: 1_300,
  /** How long an agent that hears the API server gets to fall silent by itself before it is fenced. */
  yieldMilliseconds: 1_500,
  /** A fence is complete when all speech from before it has expired. */
  fenceMilliseconds: 4_000,
  /** A holder that does not report its VIP within this time after its election gets `BindFailed`. */
  bindTimeoutMilliseconds: 5_000,
  /** How long `BindFailed` keeps a node out, unless it reports the VIP as bound before. */
  bindRetryMilliseconds: 60_000,
  /** A fresh binding that no answered renewal follows for so long is taken back: the node may need that address. */
  takeBackMilliseconds: 3_000,
  /** How long an agent that was told to stop waits for its gateways to be moved. */
  leaveMilliseconds: 5_000,

  /** After a first return the next one waits for twice this, and for twice as long each time; … */
  returnMilliseconds: 10_000,
  /** … but no longer than this. */
  longestReturnMilliseconds: 600_000,

  // ------------------------------------------------------------ ticks

  /** One shot does not wait longer than this for a move to end. */
  settleMilliseconds: 15_000,
  /** The next tick of a move that is under way comes this soon. */
  unsettledMilliseconds: 100,
  /** Two versions that word one status differently write it no more often than this. */
  rewordMilliseconds: 30_000,
  /** A holder that has been silent for longer is one whose heartbeat does not count. */
  worryMilliseconds: 60_000,
} as const;

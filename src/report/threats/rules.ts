const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Every threshold of the detectors; docs/report.md tells the reason for each. */
export const RULES = {
  hourMs: HOUR_MS,
  dayMs: DAY_MS,

  /** Failed sign-ins per address. One slip in fifty requests is a person, so a busy address is allowed that many more. */
  bruteForce: { medium: 5, high: 10, dayMedium: 10, dayHigh: 20, requestsPerSlip: 50 },

  /** Different key ids tried from one address, or from three or more addresses of one network, within a day. */
  spraying: { medium: 5, high: 15, networkMedium: 10, networkHigh: 30, networkAddresses: 3 },

  /** Networks that one key came from. A phone on the move has two or three an hour, and a traveller many in a day, but one after the other. */
  networks: { hourMedium: 6, hourHigh: 12, dayMedium: 12, dayHigh: 24, dayHourMin: 2 },

  /** Different things within a day: what a key was forbidden, management routes among it; what a stranger asked for. */
  probing: {
    forbiddenMedium: 4,
    forbiddenHigh: 8,
    manageMedium: 2,
    manageHigh: 4,
    missingMedium: 10,
    missingHigh: 40,
    strangerMedium: 5,
    strangerHigh: 20,
    knockingLow: 10,
  },

  /** Encoded slashes and doubled ones also come from careless clients, so they count only in numbers. */
  pathTricks: { high: 5, highClasses: 3, weakPaths: 3, weakClasses: 2 },

  /** An hour is compared with the median of the key's own busy hours, in units of their median deviation. */
  volume: {
    requestsMin: 100,
    historyHoursMin: 24,
    historyDaysMin: 3,
    deviations: 10,
    timesMedianMin: 3,
    timesPeakMin: 2,
    peakRank: 3,
    recurrences: 2,
    newHabitHours: 24,
  },
} as const

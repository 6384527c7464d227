import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import type { Place, Sighting } from '../sighting.ts'
import type { KeyNetworks } from './key-networks.ts'
import { RULES } from './rules.ts'
import { callerOf, callerSubject, type Detector, type Finding, type Subject } from './threat.ts'
import { Trail } from './trail.ts'

interface Peak {
  readonly day: number
  readonly count: number
}

interface Found {
  readonly trail: Trail
  readonly addresses: Few
  hours: number
  readonly worst: number
  readonly median: number
  fromElsewhere: boolean
}

interface Habit {
  user: string
  requests: number
  hour: number
  inHour: number
  /** Whether anything in the hour came from a network the key was never used from before. */
  fromElsewhere: boolean
  trail: Trail
  /** Counts of past hours in which the key was used at all: a ring that grows until it is full. */
  past: Uint32Array
  hours: number
  firstHour: number
  peaks: Peak[]
  /** Unusual hours without a usual one between them. */
  run: number
  addresses: Few
  found: Found | null
}

const HOURS_PER_DAY = 24

const newHabit = (): Habit => ({
  user: '',
  requests: 0,
  hour: -1,
  inHour: 0,
  fromElsewhere: false,
  trail: new Trail(),
  past: new Uint32Array(8),
  hours: 0,
  firstHour: -1,
  peaks: [],
  run: 0,
  addresses: new Few(),
  found: null,
})

/**
 * A key's hourly volume against its own past: the median of its busy hours and their median deviation, which no few wild hours can move. What came at
 * least twice before on other days is a habit too, however tall: the nightly batch, the weekly report.
 */
export class UnusualVolume implements Detector {
  readonly #habits = new Book<Habit>(LIMITS.reportKeysMax, newHabit, (habit) => habit.requests)
  readonly #fromMs: number
  readonly #homes: KeyNetworks

  /** Hours before `fromMs` are learnt from, and not reported. */
  constructor(fromMs: number, homes: KeyNetworks) {
    this.#fromMs = fromMs
    this.#homes = homes
  }

  see(s: Sighting, place: Place): void {
    const caller = callerOf(s)
    if (caller === '') return
    const habit = this.#habits.of(caller)
    const hour = Math.floor(s.atMs / RULES.hourMs)
    if (hour !== habit.hour) {
      // A line from before the hour in hand (another ledger, read after this one) can only be left out.
      if (hour < habit.hour) return
      this.#close(habit)
      habit.hour = hour
      habit.inHour = 0
      habit.fromElsewhere = false
      habit.addresses = new Few()
      habit.trail = new Trail()
      if (habit.firstHour < 0) habit.firstHour = hour
    }
    habit.requests += s.count
    habit.inHour += s.count
    const placed = s.address !== ''
    if (placed && !habit.fromElsewhere && this.#homes.isAtHome(caller, s.address) === false) habit.fromElsewhere = true
    habit.trail.note(s, place)
    if (s.user !== '') habit.user = s.user
    if (placed) habit.addresses.add(s.address)
  }

  findings(): Finding[] {
    return [...this.#habits].flatMap(([caller, habit]) => {
      this.#close(habit)
      habit.inHour = 0
      if (habit.found === null) return []
      const { trail, addresses, fromElsewhere } = habit.found
      const subject = callerSubject(caller, habit.user)
      return {
        kind: 'unusual_volume',
        severity: fromElsewhere ? 'high' : 'medium',
        title: titleOf(subject, habit.found),
        subject,
        trail,
        addresses: addresses.list,
        advice:
          'Ask the owner whether a new job explains it. If not, lower the rate of the key (portcullis key), and look from which addresses it came.',
      }
    })
  }

  #close(habit: Habit): void {
    const count = habit.inHour
    if (count === 0) return
    const median = count < RULES.volume.requestsMin ? null : unusualFor(habit, count)
    if (median === null) {
      habit.run = 0
      remember(habit, count)
      return
    }
    habit.run += 1
    habit.peaks = [...habit.peaks, { day: Math.floor(habit.hour / HOURS_PER_DAY), count }].slice(-RULES.volume.newHabitHours)
    // A day of it without a pause is the new habit.
    if (habit.run > RULES.volume.newHabitHours) remember(habit, count)
    if (habit.hour * RULES.hourMs < this.#fromMs - RULES.hourMs) return
    const found = habit.found
    const { trail, addresses, fromElsewhere } = habit
    if (found === null) habit.found = { trail, addresses, hours: 1, worst: count, median, fromElsewhere }
    else {
      found.hours += 1
      found.fromElsewhere ||= fromElsewhere
      if (count > found.worst) habit.found = { ...found, trail, addresses, worst: count, median }
    }
  }
}

function titleOf({ type, id }: Subject, { worst, median, hours, fromElsewhere }: Found): string {
  const where = fromElsewhere ? ', partly from a network it was never used from before' : ''
  const often = hours > 1 ? ` (${hours} such hours)` : ''
  return `${type === 'key' ? 'Key' : 'User'} ${id} made ${worst} requests within an hour${where}; its usual busy hour has ${Math.round(median)}${often}`
}

function remember(habit: Habit, count: number): void {
  if (habit.hours >= habit.past.length && habit.past.length < LIMITS.reportHabitHoursMax) {
    const wider = new Uint32Array(Math.min(2 * habit.past.length, LIMITS.reportHabitHoursMax))
    wider.set(habit.past)
    habit.past = wider
  }
  habit.past[habit.hours % habit.past.length] = count
  habit.hours += 1
}

/** The median that an unusual hour is measured against; null when it is not unusual, or when too little is known to say. */
function unusualFor(habit: Habit, count: number): number | null {
  const rule = RULES.volume
  if (habit.hours < rule.historyHoursMin || habit.hour - habit.firstHour < rule.historyDaysMin * HOURS_PER_DAY) return null
  const sorted = Float64Array.from(habit.past.subarray(0, habit.hours)).sort()
  const median = middle(sorted)
  const deviation = 1.4826 * middle(sorted.map((n) => Math.abs(n - median)).sort())
  // A key that is used very evenly has a deviation near nothing, and must not be flagged for a few more requests.
  const limit = median + rule.deviations * Math.max(deviation, 0.15 * median, 5)
  const peak = sorted[sorted.length - rule.peakRank] ?? 0
  if (count < limit || count < rule.timesMedianMin * median || count < rule.timesPeakMin * peak) return null
  const today = Math.floor(habit.hour / HOURS_PER_DAY)
  const before = new Set(habit.peaks.filter((p) => p.day !== today && p.count >= count / 2).map((p) => p.day))
  return before.size >= rule.recurrences ? null : median
}

function middle(sorted: Float64Array): number {
  const half = sorted.length >> 1
  const upper = sorted[half] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] ?? 0)) / 2
}

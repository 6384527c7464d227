import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import type { Place, Sighting } from '../sighting.ts'
import { RULES } from './rules.ts'
import { callerOf, callerSubject, type Detector, type Finding } from './threat.ts'
import { Trail } from './trail.ts'

interface Peak {
  readonly day: number
  readonly count: number
}

interface Habit {
  user: string
  requests: number
  hour: number
  inHour: number
  trail: Trail
  /** Counts of past hours in which the key was used at all, a ring. */
  past: number[]
  next: number
  firstHour: number
  peaks: Peak[]
  /** Unusual hours without a usual one between them. */
  run: number
  readonly addresses: Few
  found: { trail: Trail; hours: number; worst: number; median: number; peak: number } | null
}

const HOURS_PER_DAY = 24

const newHabit = (): Habit => ({
  user: '',
  requests: 0,
  hour: -1,
  inHour: 0,
  trail: new Trail(),
  past: [],
  next: 0,
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

  /** Hours before `fromMs` are learnt from, and not reported. */
  constructor(fromMs: number) {
    this.#fromMs = fromMs
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
      habit.trail = new Trail()
      if (habit.firstHour < 0) habit.firstHour = hour
    }
    habit.requests += s.count
    habit.inHour += s.count
    habit.trail.note(s, place)
    if (s.user !== '') habit.user = s.user
    habit.addresses.add(s.address)
  }

  findings(): Finding[] {
    return [...this.#habits].flatMap(([caller, habit]) => {
      this.#close(habit)
      habit.inHour = 0
      if (habit.found === null) return []
      const { worst, median, hours, peak, trail } = habit.found
      const subject = callerSubject(caller, habit.user)
      return {
        kind: 'unusual_volume',
        severity: worst >= RULES.volume.timesMedianHigh * Math.max(median, peak) ? 'high' : 'medium',
        title: `${subject.type === 'key' ? 'Key' : 'User'} ${subject.id} made ${worst} requests within an hour; its usual busy hour has ${Math.round(median)}${hours > 1 ? ` (${hours} such hours)` : ''}`,
        subject,
        trail,
        addresses: habit.addresses.list,
        advice:
          'Ask the owner whether a new job explains it. If not, lower the rate of the key (portcullis key), and look from which addresses it came.',
      }
    })
  }

  #close(habit: Habit): void {
    const count = habit.inHour
    if (count === 0) return
    const verdict = count < RULES.volume.requestsMin ? null : judge(habit, count)
    if (verdict === null) {
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
    if (found === null) habit.found = { trail: habit.trail, hours: 1, worst: count, ...verdict }
    else {
      found.hours += 1
      if (count > found.worst) habit.found = { ...found, trail: habit.trail, worst: count }
    }
  }
}

function remember(habit: Habit, count: number): void {
  if (habit.past.length < LIMITS.reportHabitHoursMax) habit.past = habit.past.concat(count)
  else habit.past[habit.next] = count
  habit.next = (habit.next + 1) % LIMITS.reportHabitHoursMax
}

/** What an unusual hour is measured against; null when it is not unusual, or when too little is known to say. */
function judge(habit: Habit, count: number): { median: number; peak: number } | null {
  const rule = RULES.volume
  if (habit.past.length < rule.historyHoursMin || habit.hour - habit.firstHour < rule.historyDaysMin * HOURS_PER_DAY) return null
  const sorted = Float64Array.from(habit.past).sort()
  const median = middle(sorted)
  const deviation = 1.4826 * middle(sorted.map((n) => Math.abs(n - median)).sort())
  // A key that is used very evenly has a deviation near nothing, and must not be flagged for a few more requests.
  const limit = median + rule.deviations * Math.max(deviation, 0.15 * median, 5)
  const peak = sorted[sorted.length - rule.peakRank] ?? 0
  if (count < limit || count < rule.timesMedianMin * median || count < rule.timesPeakMin * peak) return null
  const today = Math.floor(habit.hour / HOURS_PER_DAY)
  const before = new Set(habit.peaks.filter((p) => p.day !== today && p.count >= count / 2).map((p) => p.day))
  return before.size >= rule.recurrences ? null : { median, peak }
}

function middle(sorted: Float64Array): number {
  const half = sorted.length >> 1
  const upper = sorted[half] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] ?? 0)) / 2
}

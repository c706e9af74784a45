import type { Scheduler } from '../core/scheduler.ts'

const minuteMs = 60_000

/** Of what each request can bring: says the first at once, and how many follow once a minute. */
export type OnceAMinute = (name: string, say: (times: number) => void) => void

/** Names are few, and are forgotten a minute after they were last heard. */
export function createOnceAMinute(scheduler: Pick<Scheduler, 'after'>): OnceAMinute {
  const unsaid = new Map<string, { times: number; say: (times: number) => void }>()

  function begin(name: string, say: (times: number) => void): void {
    const minute = { times: 0, say }
    unsaid.set(name, minute)
    scheduler.after(minuteMs, () => {
      unsaid.delete(name)
      if (minute.times === 0) return
      begin(name, minute.say)
      minute.say(minute.times)
    })
  }

  return (name, say) => {
    const minute = unsaid.get(name)
    if (minute === undefined) {
      begin(name, say)
      say(1)
      return
    }
    minute.times += 1
    minute.say = say
  }
}

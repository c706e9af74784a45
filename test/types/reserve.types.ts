import { createTestWard, type UsageReservation, type Ward } from 'modelward'
import { type Equal, expectType } from './equal.ts'
import { ward } from './wards.ts'

const request = new Request('http://127.0.0.1')

// What was reserved is what is settled, measure by measure.
const one = await ward.reserve(request, { tokens: 1_200 })
expectType<Equal<typeof one, UsageReservation<'tokens'>>>()
expectType<Equal<typeof one.reserved, Readonly<Record<'tokens', number>>>>()
const settled = one.settle({ tokens: 800 })
expectType<Equal<typeof settled, Promise<void>>>()
// @ts-expect-error it was not reserved
one.settle({ tokens: 800, words: 7 })
// @ts-expect-error it is `tokens`
one.settle({ token: 800 })
// @ts-expect-error each measure that was reserved is settled
one.settle({})
// @ts-expect-error a model that says no usage says no number
one.settle({ tokens: undefined })
// @ts-expect-error nor is it text
one.settle({ tokens: '800' })

const both = await ward.reserve(request, { prompt_tokens: 200, completion_tokens: 1_000 })
expectType<Equal<typeof both, UsageReservation<'prompt_tokens' | 'completion_tokens'>>>()
// @ts-expect-error each of them
both.settle({ prompt_tokens: 12 })

// Measures that are known only when it runs are any.
const limits: Readonly<Record<string, number>> = { tokens: 1_200 }
const any = await ward.reserve(request, limits)
expectType<Equal<typeof any, UsageReservation<string>>>()

// @ts-expect-error a measure is a number
ward.reserve(request, { tokens: '1200' })
// @ts-expect-error what is reserved is said
ward.reserve(request)
// @ts-expect-error a request is an object, not its id
ward.reserve('4f1c', { tokens: 1 })
// @ts-expect-error nothing of it is written
one.reserved.tokens = 1

// A reservation is handed on by its measures.
declare const finish: (reservation: UsageReservation<'tokens'>) => void
finish(one)
// @ts-expect-error it has other measures
finish(both)

// A test's ward reserves as any other.
const testWard: Ward<true> = await createTestWard()
const tested = await testWard.reserve(request, { tokens: 1 })
expectType<Equal<typeof tested, UsageReservation<'tokens'>>>()

import { createTRPCClient, httpBatchLink, TRPCClientError } from '@trpc/client'
import type { AppRouter } from './trpc.ts'

const { KEY = '', API_URL = 'http://127.0.0.1:3000/trpc' } = process.env
const link = httpBatchLink({ url: API_URL, headers: { 'x-api-key': KEY } })
const client = createTRPCClient<AppRouter>({ links: [link] })
try {
  const [me, prediction] = await Promise.all([client.me.query(), client.predict.mutate('hello')])
  console.log(me.owner, prediction.length)
} catch (error) {
  if (!(error instanceof TRPCClientError)) throw error
  console.log(error.data.httpStatus, error.data.reason)
}

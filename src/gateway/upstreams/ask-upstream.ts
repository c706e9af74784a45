import type { Answer, Attempt, AttemptError, AttemptListener } from './upstream.ts'

/** Collects what one attempt brings. @param begin sends it */
export function collectAnswer(
  bytesMax: number,
  begin: (listener: AttemptListener) => Attempt,
): Promise<Answer> {
  const answer = Promise.withResolvers<Answer>()
  const pieces: Buffer[] = []
  let bytes = 0

  function giveUp(problem: string): void {
    attempt.abort()
    answer.resolve({ problem })
  }

  const attempt = begin({
    onHead(status) {
      if (status < 200 || status > 299) giveUp(`it answered with ${status}`)
    },
    onPiece(piece) {
      bytes += piece.length
      if (bytes > bytesMax) giveUp(`its answer has more than ${bytesMax} bytes`)
      else pieces.push(piece)
    },
    onEnd: () => answer.resolve({ body: Buffer.concat(pieces) }),
    onError: ({ message }: AttemptError) => answer.resolve({ problem: message }),
  })
  return answer.promise
}

import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { onTestFinished } from 'vitest'

/**
 * Mounts a disk of so many MiB on a folder. False where that is not allowed.
 *
 * @param onFinished when it is unmounted. @default after the test
 */
export function mountSmallDisk(
  folder: string,
  mebibytes = 1,
  onFinished: (unmount: () => void) => void = onTestFinished,
): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return false
  }
  onFinished(() => {
    execFileSync('umount', ['--lazy', folder])
  })
  return true
}

/** Fills the disk of a file. */
export function fillDisk(file: string): void {
  const opened = openSync(file, 'w')
  try {
    for (;;) writeSync(opened, Buffer.alloc(65_536))
  } catch {
    // That it fails is the point: nothing is left.
  } finally {
    closeSync(opened)
  }
}

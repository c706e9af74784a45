/** A piece of a pool's memory. */
export interface Cells {
  readonly cells: Uint32Array
  readonly offset: number
}

/** Small pieces of memory cut from large ones: a typed array for each costs more than it holds. */
export interface CellPool {
  /** A piece filled with 0. */
  readonly take: () => Cells
  readonly giveBack: (piece: Cells) => void
}

const piecesPerSlab = 1_024

/** @param size cells of 32 bits a piece */
export function createCellPool(size: number): CellPool {
  const free: Cells[] = []
  let slab = new Uint32Array(0)
  let next = 0
  return {
    take() {
      const again = free.pop()
      if (again !== undefined) {
        again.cells.fill(0, again.offset, again.offset + size)
        return again
      }
      if (next + size > slab.length) {
        slab = new Uint32Array(size * piecesPerSlab)
        next = 0
      }
      const piece = { cells: slab, offset: next }
      next += size
      return piece
    },
    giveBack: (piece) => void free.push(piece),
  }
}

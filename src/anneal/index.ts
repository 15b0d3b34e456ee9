// The port to repair: bundles on disk, opened from what the store knows.
export interface BundleFile {
  name: string;
  mimeType: string;
  bytes: number;
  modifiedAt: number;
}

export interface Annealer {
  /** Writes what is missing of the bundle in `anneal-tasks/<aid>/`; idempotent, so a crash between commit and disk is mended by the next call. */
  open(aid: string): Promise<void>;
  /** The bundle's files, rebuilt from the store where the folder is missing or malformed. */
  files(aid: string): Promise<BundleFile[]>;
  /** One file's text. @throws `anneal_not_found`, `not_found` with the names that exist */
  read(aid: string, file: string): Promise<string>;
  /** Opens every bundle of an open row that is not on disk. */
  openMissing(): Promise<void>;
  /** Removes bundles of tasks that are no longer kept, with what was noted in them, untouched since `before`. Answers how many. */
  removeForgotten(before: number): Promise<number>;
}

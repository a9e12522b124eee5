/**
 * Uploads in parts that nobody finished: they are in no listing, and cost room until somebody ends
 * them.
 *
 * @module
 */
import type { ListMultipartUploadsCommandOutput } from "@aws-sdk/client-s3";
import { type S3Session, within } from "./client.ts";
import { keyOf, prefixOf } from "./place.ts";

/** Longer than any run takes: another machine may be at work on the same snapshot. */
const AGE_MS = 24 * 3_600_000;

/** An upload as the server lists it. */
export interface ListedUpload {
  readonly Key?: string | undefined;
  readonly UploadId?: string | undefined;
  readonly Initiated?: Date | undefined;
}

/** Those that a run of this snapshot began and has not finished for a day. */
export function staleUploads(
  uploads: readonly ListedUpload[],
  place: { readonly prefix?: string | undefined },
  folder: string,
  now: number,
): readonly (ListedUpload & { readonly Key: string; readonly UploadId: string })[] {
  return uploads.filter((upload): upload is ReturnType<typeof staleUploads>[number] => {
    const { Key = "", UploadId, Initiated } = upload;
    const key = keyOf(place, Key);
    return key !== undefined && OURS_REGEXP.test(key) && key.startsWith(`${folder}/`) &&
      UploadId !== undefined && Initiated !== undefined && now - Initiated.getTime() > AGE_MS;
  });
}

/** `<folder>/<stamp>-<hash>.…` */
const OURS_REGEXP = /^[^/]+\/\d{8}T\d{6}Z-[0-9a-f]{12}\.[a-z0-9.]+$/;

/** Ends the uploads of a snapshot that were left behind. What cannot be listed is left alone. */
export async function cleanUploads(
  session: S3Session,
  folder: string,
  now: number = Date.now(),
): Promise<void> {
  const { client, library, place, log } = session;
  const Bucket = place.bucket;
  try {
    const Prefix = `${prefixOf(place)}${folder}/`;
    let after: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | undefined = {};
    while (after !== undefined) {
      const page: ListMultipartUploadsCommandOutput = await client.send(
        new library.ListMultipartUploadsCommand({ Bucket, Prefix, ...after }),
        within(session),
      );
      for (const { Key, UploadId } of staleUploads(page.Uploads ?? [], place, folder, now)) {
        await client.send(
          new library.AbortMultipartUploadCommand({ Bucket, Key, UploadId }),
          within(session),
        );
        log("info", `Ended an upload of "${Key}" that was left behind`);
      }
      const { IsTruncated = false, NextKeyMarker, NextUploadIdMarker } = page;
      after = IsTruncated && NextKeyMarker !== undefined
        ? {
          KeyMarker: NextKeyMarker,
          ...(NextUploadIdMarker !== undefined && { UploadIdMarker: NextUploadIdMarker }),
        }
        : undefined;
    }
  } catch (error) {
    // Not every server can tell, and not every key may ask. It costs room, and nothing else.
    const state = error instanceof Error ? error.name : "failed";
    log("debug", `Cannot look for uploads that were left behind: ${state}`);
  }
}

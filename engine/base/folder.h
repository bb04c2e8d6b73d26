/*
 * folder: a name is on stable storage when the folder that it stands in is synced; the sync of what it names is not enough.
 *
 * Any thread; waits for the disk. 0 or an errno, of the device alone: where a folder is not ours to read, or its file
 * system does not sync folders, there is nothing to be done, and that is no error.
 */
#ifndef ENGINE_BASE_FOLDER_H
#define ENGINE_BASE_FOLDER_H

/* The name of a folder, also where others made it. */
int folder_sync_name(const char *folder);
/* The name of a file. */
int folder_sync_file_name(const char *file);

#endif

"""Files of which a header may read only so much, whatever lengths and counts it declares."""

from typing import BinaryIO

from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.io.limits import MAX_BYTES, MAX_DEFLATED_BYTES, MAX_HEADER_BYTES, MAX_READS
from ichmonai.io.series import ImageSource


class BoundedReader:
    """A stream that gives a limited number of bytes in all, and never allocates more than it has left to give.

    Args:
        file: seekable.
        source: where it is.
        limit: bytes.

    Attributes:
        error: why it refused to read on; None as long as it did not. Libraries turn what a read raises into errors of
            their own.
    """

    def __init__(self, file: BinaryIO, source: ImageSource, limit: int = MAX_HEADER_BYTES) -> None:
        self.tell = file.tell
        self.error: HeadCTReadError | None = None
        self._file = file
        self._read = file.read
        self._source = source
        self._left = limit
        self._calls = MAX_READS

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; without a size all that is left, as pydicom reads what is deflated.

        Raises:
            HeadCTReadError: `TOO_LARGE`, where that would be more than is read.
        """
        if size is None or size < 0:
            return self._whole()
        content = self._read(min(size, self._left + 1))
        self._left -= len(content)
        self._calls -= 1
        if self._left < 0 or self._calls < 0:
            raise self._refuse("has a header longer than that of any head CT; export it again.")
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, in compressed files by inflating what is before it.

        Raises:
            HeadCTReadError: `TOO_LARGE`, where no image that is read has so many bytes.
        """
        if whence == 0 and offset > MAX_BYTES:
            raise self._refuse(f"refers to what is {offset // 2**20} MiB behind its beginning; export it again.")
        return self._file.seek(offset, whence)

    def _whole(self) -> bytes:
        content = self._read(MAX_DEFLATED_BYTES + 1)
        if len(content) > MAX_DEFLATED_BYTES:
            raise self._refuse(
                f"is a deflated DICOM file of more than {MAX_DEFLATED_BYTES // 2**20} MiB, which may inflate without "
                "limit; convert it to another transfer syntax."
            )
        return content

    def _refuse(self, what: str) -> HeadCTReadError:
        self.error = HeadCTReadError(f"{self._source} {what}", Code.TOO_LARGE)
        return self.error

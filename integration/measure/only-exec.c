/* What does a wrapper cost that does nothing but exec? The yardstick for a passed-on call.
 * The first argument is the program; it and the rest become its argument list. */
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		return 1;
	execv(argv[1], argv + 1);
	return 1;
}

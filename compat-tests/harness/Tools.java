import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Scanner;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs stock tools one after the other in one JVM, which saves a start for each. A line of the input holds words in
 * base64: the class, the standard input, the arguments; a line of the output the exit status, the output and the errors.
 */
public class Tools {
    private static CountDownLatch ended;
    private static AtomicInteger status;
    private static final List<Runnable> hooks = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        Exit.Procedure exit = (code, message) -> {
            status.compareAndSet(-1, code);
            ended.countDown();
            // A real exit does not return.
            while (true) {
                try {
                    Thread.sleep(Long.MAX_VALUE);
                } catch (InterruptedException e) {
                    // still not
                }
            }
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8);
        while (lines.hasNextLine()) {
            String[] words = Arrays.stream(lines.nextLine().split(" ")).map(Tools::decode).toArray(String[]::new);
            ByteArrayOutputStream out = new ByteArrayOutputStream(), err = new ByteArrayOutputStream();
            System.setIn(new ByteArrayInputStream(words[1].getBytes(StandardCharsets.UTF_8)));
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
            ended = new CountDownLatch(1);
            status = new AtomicInteger(-1);
            hooks.clear();
            Thread main = new Thread(() -> run(words[0], Arrays.copyOfRange(words, 2, words.length)), "main");
            main.setDaemon(true);
            main.start();
            ended.await();
            for (Runnable hook : hooks)
                hook.run();
            System.out.flush();
            System.err.flush();
            answers.println(status.get() + " " + encode(out) + " " + encode(err));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void run(String tool, String[] arguments) {
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
            status.compareAndSet(-1, 0);
        } catch (InvocationTargetException e) {
            System.err.print("Exception in thread \"main\" ");
            e.getCause().printStackTrace();
            status.compareAndSet(-1, 1);
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
            status.compareAndSet(-1, 99);
        }
        ended.countDown();
    }

    private static String decode(String word) {
        return new String(Base64.getDecoder().decode(word.substring(1)), StandardCharsets.UTF_8);
    }

    private static String encode(ByteArrayOutputStream text) {
        return "." + Base64.getEncoder().encodeToString(text.toByteArray());
    }
}
